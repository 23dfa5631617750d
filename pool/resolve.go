package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"example.com/hale/internal/hooks"
	"example.com/hale/internal/logline"
)

// ResolvedInfo is a call of Config.Resolve.
type ResolvedInfo struct {
	Addrs []netip.Addr // the answer
	Gone  []netip.Addr // what is gone with it: connections to these are closed
	Err   error        // then nothing has changed; a [PanicError] if Resolve panicked
}

func (i ResolvedInfo) line() logline.Line {
	return logline.Line{}.Text("addresses", texts(i.Addrs)).Text("gone", texts(i.Gone)).Error("error.message", i.Err)
}

// String returns what is known on one line.
func (i ResolvedInfo) String() string {
	if text := i.line().String(); text != "" {
		return text
	}
	return "no addresses"
}

func (i ResolvedInfo) LogValue() slog.Value { return i.line().Value() }

func texts(addrs []netip.Addr) string {
	var all []string
	for _, a := range addrs {
		all = append(all, a.String())
	}
	return strings.Join(all, " ")
}

// resolver asks for the addresses of the endpoint's name, whenever that is due. It
// knows nothing of connections.
type resolver struct {
	ask       func(context.Context) ([]netip.Addr, error) // Config.Resolve
	limit     time.Duration                               // Config.DialTimeout
	addresses *addresses                                  // what the answers tell
	drain     func()                                      // has the connections go whose address is gone
	tell      func(ResolvedInfo)

	busy atomic.Bool // a call of Resolve has not returned
}

// run asks until the pool is closed.
func (r *resolver) run(life context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-life.Done():
			return
		case <-r.addresses.sign:
		case <-timer.C:
		}
		if r.addresses.begin() {
			r.resolve(life)
		}
		timer.Reset(r.addresses.pause())
	}
}

// errStillAsking is a call of Resolve that was not made, since the last has not
// returned.
var errStillAsking = fmt.Errorf("pool: Resolve %w", errLate)

// errNoAddress is an answer with nothing in it.
var errNoAddress = errors.New("pool: Resolve returned no address and no error")

// resolve asks once, and has the connections drain whose addresses are gone.
func (r *resolver) resolve(life context.Context) {
	addrs, err := r.lookUp(life)
	if life.Err() != nil {
		return // the end of the pool cut it short
	}
	info := ResolvedInfo{Addrs: addrs, Err: err}
	if err != nil {
		r.addresses.unanswered()
	} else {
		info.Gone = r.addresses.answered(addrs)
		r.drain()
	}
	r.tell(info)
}

// lookUp calls Resolve, and returns addresses or an error.
func (r *resolver) lookUp(life context.Context) ([]netip.Addr, error) {
	if !r.busy.CompareAndSwap(false, true) {
		return nil, errStillAsking
	}
	ctx, cancel := context.WithTimeout(life, r.limit)
	defer cancel()
	addrs, err := guardUntil(ctx.Done(), "Resolve", func() ([]netip.Addr, error) {
		defer r.busy.Store(false)
		return r.ask(ctx)
	}, nil)
	if err != nil {
		return nil, err
	}
	var answer []netip.Addr
	for _, a := range addrs {
		if a = canonical(a); a.IsValid() && !slices.Contains(answer, a) {
			answer = append(answer, a)
		}
	}
	if len(answer) == 0 {
		return nil, errNoAddress
	}
	return answer, nil
}

// startResolver has the endpoint's name resolved, if the Config says how.
func (p *Pool[T]) startResolver() {
	if p.config.Resolve == nil {
		return
	}
	p.addresses = newAddresses(p.config.ResolveEvery)
	r := &resolver{
		ask: p.config.Resolve, limit: p.config.DialTimeout, addresses: p.addresses,
		drain: func() {
			if p.conns.drain(p.addresses) {
				p.maintenance.wakeToTidy()
			}
		},
		tell: func(info ResolvedInfo) { hooks.Call(p.config.Observer.set().Resolved, info) },
	}
	p.wg.Keep(func() { r.run(p.life) })
}

// drain marks the connections whose address is gone: those that nobody uses
// leave at once, the others when they are released. One in use whose address is
// there again stays. It reports whether there are any.
func (c *conns[T]) drain(known *addresses) (some bool) {
	for _, s := range c.alive("") {
		switch there, gone := known.of(ipOf(s.remote)); {
		case gone && !s.marked(moved):
			s.mark(moved)
			some = true
		case there && s.marked(moved):
			s.unmark(moved)
		}
	}
	return some
}
