package debugpage

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/hale/pool"
)

// lookLasts is for how long all who look see the same look, so that ten who watch
// cost no more than one.
const lookLasts = 250 * time.Millisecond

// look is one look at everything, from which every form of the page is made. It is
// not changed any more.
type look struct {
	title    string
	at       time.Time
	pools    []seenPool // of no cluster, those in trouble first
	clusters []seenCluster
}

// seenPool is a pool in a look.
type seenPool struct {
	pool.Snapshot
	id   string // unique
	runs []run
}

// seenCluster is a cluster in a look.
type seenCluster struct {
	id        string
	state     string
	endpoints []seenEndpoint
}

// seenEndpoint is an endpoint with its pool.
type seenEndpoint struct {
	Endpoint
	pool seenPool
}

// look looks, unless somebody has just done so.
func (p *Page) look() *look {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil {
		if age := time.Since(p.last.at); age >= 0 && age < lookLasts {
			return p.last
		}
	}
	l := &look{title: cmp.Or(p.Title, filepath.Base(os.Args[0])), at: time.Now()}
	ids := make(names)
	for _, snapshot := range p.Pools {
		l.pools = append(l.pools, p.see(ids, "", askPool(snapshot)))
	}
	for _, cluster := range p.Clusters {
		l.clusters = append(l.clusters, p.seeCluster(ids, askCluster(cluster)))
	}
	maps.DeleteFunc(p.states, func(_ string, h *history) bool { return h.isOld(l.at) })
	slices.SortStableFunc(l.pools, func(a, b seenPool) int { return cmp.Compare(severity(b.State), severity(a.State)) })
	p.last = l
	time.AfterFunc(lookLasts, func() { p.forget(l) })
	return l
}

// forget drops a look: the connections in it may be nobody else's any more.
func (p *Page) forget(l *look) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == l {
		p.last = nil
	}
}

// askPool asks a pool. One that cannot tell, such as a nil one, must not take from the
// page those that can.
func askPool(snapshot func() pool.Snapshot) (s pool.Snapshot) {
	defer func() {
		if r := recover(); r != nil {
			s = pool.Snapshot{At: time.Now(), State: "unknown", Dial: cannotBeAsked(r)}
		}
	}()
	return snapshot()
}

// askCluster is askPool of a cluster, which is shown with one endpoint then.
func askCluster(cluster func() Cluster) (c Cluster) {
	defer func() {
		if r := recover(); r != nil {
			c = Cluster{Endpoints: []Endpoint{{Pool: pool.Snapshot{At: time.Now(), State: "unknown", Dial: cannotBeAsked(r)}}}}
		}
	}()
	return cluster()
}

func cannotBeAsked(panicked any) error { return fmt.Errorf("cannot be asked: %v", panicked) }

// see takes note of a pool's state.
func (p *Page) see(ids names, within string, s pool.Snapshot) seenPool {
	id := ids.unique(within + cmp.Or(s.Name, "pool"))
	h := p.states[id]
	if h == nil {
		h = new(history)
		p.states[id] = h
	}
	h.add(s.State, s.At)
	if s.Since.IsZero() && severity(s.State) > 0 {
		s.Since = h.since(s.State)
	}
	return seenPool{s, id, slices.Clone(h.runs)}
}

func (p *Page) seeCluster(ids names, c Cluster) seenCluster {
	seen := seenCluster{id: ids.unique(cmp.Or(c.Name, "cluster"))}
	for i, e := range c.Endpoints {
		e.Pool.Name = cmp.Or(p.veil.name(e.Name), e.Pool.Name, fmt.Sprintf("endpoint %d", i+1))
		seen.endpoints = append(seen.endpoints, seenEndpoint{e, p.see(ids, seen.id+"/", e.Pool)})
	}
	seen.state = together(seen.endpoints)
	return seen
}

// together is the state of a cluster. Without endpoints nothing is known of it.
func together(endpoints []seenEndpoint) string {
	out, closed, worst := 0, 0, "well"
	for _, e := range endpoints {
		if e.Pool.State == "closed" {
			closed++
		}
		if e.Ejected || e.Pool.State == "outage" || e.Pool.State == "closed" {
			out++
		} else if severity(e.Pool.State) > severity(worst) {
			worst = e.Pool.State
		}
	}
	switch {
	case len(endpoints) == 0:
		return "unknown"
	case closed == len(endpoints):
		return "closed"
	case out == len(endpoints):
		return "outage"
	case out > 0:
		return "degraded"
	}
	return worst
}

// names makes names unique.
type names map[string]bool

func (n names) unique(name string) string {
	for base, i := name, 2; n[name]; i++ {
		name = fmt.Sprintf("%s (%d)", base, i)
	}
	n[name] = true
	return name
}

// all yields every pool.
func (l *look) all(yield func(seenPool) bool) {
	for _, p := range l.pools {
		if !yield(p) {
			return
		}
	}
	for _, c := range l.clusters {
		for _, e := range c.endpoints {
			if !yield(e.pool) {
				return
			}
		}
	}
}

// has reports whether there is a pool of that id.
func (l *look) has(id string) bool {
	for p := range l.all {
		if p.id == id {
			return true
		}
	}
	return false
}

// only is the id of the only pool, or empty.
func (l *look) only() string {
	if len(l.pools) == 1 && len(l.clusters) == 0 {
		return l.pools[0].id
	}
	return ""
}

// stateOrder has every state, that of no concern first, and the worst last.
var stateOrder = []string{"well", "closed", "busy", "suspect", "full", "unknown", "degraded", "probing", "outage"}

// severity is how bad a state is; 0 is well, or closed on purpose.
func severity(state string) int { return max(0, slices.Index(stateOrder, state)-1) }

// summary says in a line how everything is, without anything that changes while
// nothing happens.
func (l *look) summary() string {
	var troubles []string
	for _, c := range l.clusters {
		if severity(c.state) > 0 {
			troubles = append(troubles, c.id+": "+c.state)
		}
	}
	for p := range l.all {
		if severity(p.State) > 0 {
			troubles = append(troubles, p.id+": "+p.State)
		}
	}
	switch {
	case len(l.pools)+len(l.clusters) == 0:
		return "no pool was given to this page"
	case len(troubles) == 0:
		return "all is well"
	}
	return strings.Join(troubles, ", ")
}
