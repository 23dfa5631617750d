package hale

import (
	"maps"
	"sync"
	"sync/atomic"

	"example.com/hale/sockopt"
)

// planned is what is to be done for a KeepAlive. It is worked out once, since it
// depends on nothing else than the platform: a plan takes as long as ten system calls.
type planned struct {
	plan sockopt.Plan

	// before is for a socket that is not connected yet, or listens, and after for the
	// connection then.
	before, after sockopt.Plan

	// recent is what has become of it lately, for connections to share, and turn
	// where the next goes.
	recent [4]atomic.Pointer[known]
	turn   atomic.Uint32
}

// wish is what a plan depends on.
type wish struct {
	sockopt.KeepAlive
	retries2 uint8 // of the network namespace; zero is not known
	watched  bool
}

// plans are those that were made.
var plans struct {
	mu  sync.Mutex // guards changes
	all atomic.Pointer[map[wish]*planned]
}

// mostPlans bounds what is remembered; a program has a few.
const mostPlans = 64

// platform is the one that the program runs on, of no network namespace.
var platform = sync.OnceValue(func() sockopt.Platform {
	p := sockopt.Current()
	p.Retries2 = 0
	return p
})

// planFor is for a connection that the watch holds to its promise.
func planFor(k sockopt.KeepAlive, retries2 uint8) (*planned, error) {
	return plan(wish{k, retries2, watchAsks})
}

// planUnwatched is for one that is left to the kernel.
func planUnwatched(k sockopt.KeepAlive, retries2 uint8) (*planned, error) {
	return plan(wish{k, retries2, false})
}

func plan(w wish) (*planned, error) {
	if p := w.known(); p != nil {
		return p, nil
	}
	p, err := w.plan()
	if err != nil {
		return nil, err
	}
	return p.remember(w), nil
}

// known returns the plan that was made before, or nil.
func (w wish) known() *planned {
	if all := plans.all.Load(); all != nil {
		return (*all)[w]
	}
	return nil
}

// remember returns p, or the plan that somebody else has made meanwhile.
func (p *planned) remember(w wish) *planned {
	plans.mu.Lock()
	defer plans.mu.Unlock()
	if other := w.known(); other != nil {
		return other
	}
	all := make(map[wish]*planned)
	if now := plans.all.Load(); now != nil && len(*now) < mostPlans {
		maps.Copy(all, *now)
	}
	all[w] = p
	plans.all.Store(&all)
	return p
}

func (w wish) plan() (*planned, error) {
	on := platform()
	on.Retries2 = w.retries2
	method := on.PlanUnwatched
	if w.watched {
		method = on.Plan
	}
	plan, err := method(w.KeepAlive)
	if err != nil {
		return nil, err
	}
	p := &planned{plan: plan}
	p.before, p.after = plan.Split()
	return p, nil
}

// share returns what follows from f, the same that other connections have.
func (p *planned) share(f facts) *known {
	for i := range p.recent {
		if k := p.recent[i].Load(); k != nil && k.facts == f {
			return k
		}
	}
	k := f.known()
	p.recent[p.turn.Add(1)%uint32(len(p.recent))].Store(k)
	return k
}
