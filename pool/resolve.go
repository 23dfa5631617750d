package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
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

// resolveNames asks for the addresses of the endpoint's name, whenever that is
// due, until the pool is closed.
func (p *Pool[T]) resolveNames() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.life.Done():
			return
		case <-p.addresses.sign:
		case <-timer.C:
		}
		if p.addresses.begin() {
			p.resolve()
		}
		timer.Reset(p.addresses.pause())
	}
}

// errStillAsking is a call of Resolve that was not made, since the last has not
// returned.
var errStillAsking = fmt.Errorf("pool: Resolve %w", errLate)

// errNoAddress is an answer with nothing in it.
var errNoAddress = errors.New("pool: Resolve returned no address and no error")

// resolve asks once, and has the connections drain whose addresses are gone.
func (p *Pool[T]) resolve() {
	addrs, err := p.lookUp()
	if p.life.Err() != nil {
		return // the end of the pool cut it short
	}
	info := ResolvedInfo{Addrs: addrs, Err: err}
	if err != nil {
		p.addresses.unanswered()
	} else {
		info.Gone = p.addresses.answered(addrs)
		p.drain()
	}
	hooks.Call(p.config.Observer.set().Resolved, info)
}

// lookUp calls Resolve, and returns addresses or an error.
func (p *Pool[T]) lookUp() ([]netip.Addr, error) {
	if !p.addresses.busy.CompareAndSwap(false, true) {
		return nil, errStillAsking
	}
	ctx, cancel := context.WithTimeout(p.life, p.config.DialTimeout)
	defer cancel()
	addrs, err := guardUntil(ctx.Done(), "Resolve", func() ([]netip.Addr, error) {
		defer p.addresses.busy.Store(false)
		return p.config.Resolve(ctx)
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

// drain marks the connections whose address is gone: those that nobody uses
// leave at once, the others when they are released. One in use whose address is
// there again stays.
func (p *Pool[T]) drain() {
	for _, s := range p.conns.alive("") {
		switch there, gone := p.addresses.of(ipOf(s.remote)); {
		case gone && !s.marked(moved):
			s.mark(moved)
			defer p.maintenance.wakeToTidy()
		case there && s.marked(moved):
			s.unmark(moved)
		}
	}
}

// askAgain has the name resolved anew, for a connection has died.
func (p *Pool[T]) askAgain() {
	if p.addresses != nil {
		p.addresses.want()
	}
}

// dialledTo takes note of where a new connection leads.
func (p *Pool[T]) dialledTo(remote string) {
	if p.addresses != nil {
		p.addresses.dialled(ipOf(remote))
	}
}
