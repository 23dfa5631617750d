// Package telemetry measures what it costs to be told: an acquire, a dial and an
// outage without an observer, and with those of otelhale.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
	"example.com/hale/pool"
)

const conns = 8

// A subject is a pool and its dialer under one setup.
type subject struct {
	setup
	*running
	server *fake.Server
	dialer *hale.Dialer
	pool   *pool.Pool[net.Conn]
	down   atomic.Bool // dials are refused
}

func begin(ctx context.Context, s setup) (*subject, error) {
	r, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	t := &subject{setup: s, running: r, dialer: new(hale.Dialer)}
	config := pool.Config[net.Conn]{MaxConns: conns, MinConns: conns, StableAfter: time.Millisecond, Dial: t.dial}
	if r.telemetry != nil {
		observers, err := r.telemetry.Pool("orders")
		if err != nil {
			return nil, err
		}
		t.dialer.Observer = observers.Dialer()
		config.Name, config.Observer = observers.Name(), observers.Observer()
	}
	if t.server, err = fake.Start(fake.Silent); err != nil {
		return nil, err
	}
	if t.pool, err = pool.New(config); err != nil {
		return nil, errors.Join(err, t.server.Close())
	}
	return t, t.whole(ctx)
}

func (t *subject) dial(ctx context.Context) (net.Conn, error) {
	if t.down.Load() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return t.dialer.DialContext(ctx, "tcp", t.server.Addr)
}

// whole waits until all connections are idle, and the server knows of them.
func (t *subject) whole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for t.pool.Stats().Idle < conns {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return t.server.AwaitOpen(conns)
}

func (t *subject) close(ctx context.Context) error {
	t.pool.Close()
	return errors.Join(t.server.Close(), t.end(ctx))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// acquire is the time of an Acquire that is served at once, and its Release.
func (t *subject) acquire(ctx context.Context, n int) (float64, error) {
	start := time.Now()
	for range n {
		c, err := t.pool.Acquire(ctx)
		if err != nil {
			return 0, err
		}
		c.Release()
	}
	return float64(time.Since(start)) / float64(n), nil
}

// dials is the time of a dial and the Close.
func (t *subject) dials(ctx context.Context, n int) (float64, error) {
	start := time.Now()
	for range n {
		c, err := t.dialer.DialContext(ctx, "tcp", t.server.Addr)
		if err != nil {
			return 0, err
		}
		_ = c.(*hale.Conn).SetLinger(0)
		c.Close()
	}
	return float64(time.Since(start)) / float64(n), nil
}

// an outage is what one has cost.
type outage struct{ allocated, spans, exported float64 }

// away is for how long the endpoint refuses dials: three or four attempts.
const away = 200 * time.Millisecond

// outages has the endpoint reset all connections and refuse dials for a while.
func (t *subject) outages(ctx context.Context, n int) (o outage, err error) {
	if err := t.flush(ctx); err != nil {
		return o, err
	}
	t.exported.reset()
	for range n {
		if err := sleep(ctx, 5*time.Millisecond); err != nil { // longer than StableAfter
			return o, err
		}
		before, ended := allocated(), t.pool.Stats().Outages
		t.down.Store(true)
		t.server.Reset()
		if err := sleep(ctx, away); err != nil {
			return o, err
		}
		t.down.Store(false)
		for start := time.Now(); t.pool.Stats().Outages == ended; {
			if time.Since(start) > 20*time.Second {
				return o, errors.New("the outage does not end")
			}
			if err := sleep(ctx, time.Millisecond); err != nil {
				return o, err
			}
		}
		if err := t.whole(ctx); err != nil {
			return o, err
		}
		o.allocated += float64(allocated()-before) / float64(n)
	}
	err = t.flush(ctx)
	spans, bytes := t.exported.reset()
	o.spans, o.exported = float64(spans)/float64(n), float64(bytes)/float64(n)
	return o, err
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// Section measures it.
func Section(ctx context.Context, e figure.Effort) (page.Section, error) {
	s := page.Section{
		Title: "Observability",
		About: `A pool and its dialer without an observer, and with otelhale's. An acquire is one that is served at once; a
dial is on loopback, with its Close. In an outage the endpoint resets all ` + figure.Count(conns) + ` connections and refuses dials for ` + figure.Seconds(away) + `:
what the program allocates meanwhile, the pool's own work included, and the spans and bytes that would go out by OTLP, before
compression. Metrics go out by their own period, outage or not.`,
	}
	var all []*subject
	defer func() {
		for _, t := range all {
			_ = t.close(context.WithoutCancel(ctx))
		}
	}()
	for _, setup := range setups {
		t, err := begin(ctx, setup)
		if err != nil {
			return s, fmt.Errorf("%s: %w", setup.name, err)
		}
		all = append(all, t)
	}
	table, err := measure(ctx, e, all, &s)
	s.Tables = append(s.Tables, table)
	return s, err
}

func measure(ctx context.Context, e figure.Effort, all []*subject, s *page.Section) (page.Table, error) {
	t := page.Table{Columns: []string{"observer", "acquire", "/ none", "allocations", "dial", "/ none", "allocated in an outage", "spans", "exported", "bound"}}
	var acquires, dials []func() (float64, error)
	for _, t := range all {
		acquires = append(acquires, func() (float64, error) { return t.acquire(ctx, figure.Pick(e, 100, 20_000, 100_000)) })
		dials = append(dials, func() (float64, error) { return t.dials(ctx, figure.Pick(e, 2, 50, 200)) })
	}
	rounds := figure.Pick(e, 1, 15, 40)
	acquired, err := figure.Turns(rounds, acquires...)
	if err != nil {
		return t, err
	}
	dialled, err := figure.Turns(rounds, dials...)
	if err != nil {
		return t, err
	}
	var sampled outage
	for i, subject := range all {
		n := testing.AllocsPerRun(200, func() { _, _ = subject.acquire(ctx, 1) })
		if n > 0 {
			s.Broken = append(s.Broken, fmt.Sprintf("an acquire allocates %v times (%s)", n, subject.name))
		}
		o, err := subject.outages(ctx, figure.Pick(e, 1, 5, 25))
		if err != nil {
			return t, fmt.Errorf("%s: %w", subject.name, err)
		}
		sampled = o
		t.Rows = append(t.Rows, []string{
			subject.name, acquired[i].WithSpread(), acquired[i].Ratios(acquired[0]).AsRatio(), figure.Number(n),
			dialled[i].WithSpread(), dialled[i].Ratios(dialled[0]).AsRatio(),
			figure.Number(o.allocated) + " B", figure.Number(o.spans), figure.Number(o.exported) + " B", subject.bound,
		})
	}
	last := len(all) - 1
	t.Reading = []string{
		fmt.Sprintf("No observer is what the others are compared with: if all is sampled, an acquire takes %s and a dial %s of the time without one.",
			figure.Times(acquired[last].Ratios(acquired[0]).Median()), figure.Times(dialled[last].Ratios(dialled[0]).Median())),
		fmt.Sprintf("A sampled outage of this kind exports %s spans, %s bytes; one that is not sampled none.", figure.Number(sampled.spans), figure.Number(sampled.exported)),
	}
	return t, nil
}
