package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// resolves has the pool of the model ask for its endpoint's name, which goes from
// address to address, and be answered in random ways.
func (m *model) resolves(r *rand.Rand, c *Config[*fakeConn]) {
	var mu sync.Mutex // guards at and r
	at := 10
	ip := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	dial := c.Dial
	c.Dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		mu.Lock()
		defer mu.Unlock()
		if fake, ok := conn.(*fakeConn); ok && fake.id%5 > 0 {
			fake.addr = fakeAddr(netip.AddrPortFrom(ip(at), 5432).String())
		}
		return conn, err
	}
	r = rand.New(rand.NewPCG(r.Uint64(), 0))
	c.ResolveEvery = choose(r, 0, 50*time.Millisecond, 50*time.Millisecond)
	c.Resolve = func(ctx context.Context) ([]netip.Addr, error) {
		mu.Lock()
		defer mu.Unlock()
		if m.healed.Load() {
			return []netip.Addr{ip(at)}, nil
		}
		answer := []netip.Addr{ip(at), ip(at + 1), ip(at - 1)}[:1+r.IntN(3)]
		switch n := r.IntN(24); {
		case n < 8:
			at += choose(r, -1, 1, 1, 1)
		case n < 9:
			return answer, errors.New("no such host")
		case n < 10:
			return nil, nil
		case n < 11:
			panic("oops")
		case n < 12:
			ctx, cancel := context.WithTimeout(ctx, choose(r, time.Millisecond, time.Minute))
			defer cancel()
			mu.Unlock()
			defer mu.Lock()
			<-ctx.Done()
		}
		return answer, nil
	}
}

// hurryNames has what takes a second for a name take less, for a run is short.
func (m *model) hurryNames(r *rand.Rand) {
	if a := m.p.addresses; a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.least = choose(r, askLeast, 5*time.Millisecond, 5*time.Millisecond)
		signal(a.sign)
	}
}
