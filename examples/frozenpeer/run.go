package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/sockopt"
)

// A result is one scenario, measured.
type result struct {
	scenario
	report   sockopt.Report
	expected prediction
	hale     outcome
	suspect  time.Duration // when hale gave the last warning, -1 if it did not
	beaten   time.Duration // when a heartbeat noticed, -1 if it did not
	plain    *outcome      // nil if there was no plain connection beside it
}

// holds reports whether what was noticed came when it had to, and by its name.
func (r result) holds() bool {
	return r.expected.holds(r.hale) &&
		(r.expected.never || health.Classify(r.hale.err) == r.cause) &&
		(!r.elsewhere || r.beaten >= 0 && r.beaten <= noticed.latest())
}

// run measures and prints.
func run(ctx context.Context, o options, out io.Writer) error {
	line := &timeline{out: out}
	if o.json || len(o.scenarios) > 1 {
		line.out = io.Discard
	}
	show := printTable
	if o.json {
		show = printJSON
	}
	results, err := measureAll(ctx, o, line)
	if err == nil {
		err = show(out, results)
	}
	for _, r := range results {
		if err == nil && !r.holds() {
			err = errMissed
		}
	}
	return err
}

// measureAll measures all scenarios at once; the first failure ends them all.
func measureAll(parent context.Context, o options, line *timeline) ([]result, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	results := make([]result, len(o.scenarios))
	var workers sync.WaitGroup
	for i, s := range o.scenarios {
		workers.Go(func() {
			m := measurement{options: o, result: result{scenario: s, suspect: -1, beaten: -1}, line: line,
				suspected: make(chan time.Time, 1), failed: make(chan time.Time, 1)}
			measure := m.here
			if o.addr != "" {
				measure = m.there
			}
			if err := measure(ctx); err != nil {
				cancel(fmt.Errorf("scenario %s: %w", s.name, err))
			}
			results[i] = m.result
		})
	}
	workers.Wait()
	if parent.Err() != nil {
		return nil, errInterrupted
	}
	return results, context.Cause(ctx)
}

// A measurement is a result being made.
type measurement struct {
	result
	options   options
	line      *timeline
	suspected chan time.Time // what the hooks of the connections have to say
	failed    chan time.Time
}

// dial makes the connection that is measured.
func (m *measurement) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := hale.Dialer{KeepAlive: m.options.keepAlive, Observer: m.observer()}
	if m.stall != nil {
		d.KeepAlive.StallTimeout = m.stall(d.KeepAlive)
	}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	m.report = c.(*hale.Conn).Report()
	m.expected = m.predict(m.report, m.options.freezeAfter)
	m.line.print(time.Now(), "connected to %v (%v)", c.RemoteAddr(), m.report.Got)
	if err := m.report.Err(); err != nil {
		m.line.print(time.Now(), "not all options are set: %v", err)
	}
	return c, nil
}

// here measures against a peer of our own.
func (m *measurement) here(ctx context.Context) error {
	var c *child
	if m.elsewhere {
		var err error
		if c, err = startChild(ctx); err != nil {
			return err
		}
		defer c.end()
		stop, err := m.beat(ctx, c)
		if err != nil {
			return err
		}
		defer stop()
	}
	l, err := connect(ctx, m.dial, c)
	if err != nil {
		return err
	}
	defer l.close()
	m.line.print(time.Now(), "read %d bytes", len(greeting))
	plain, err := connect(ctx, new(net.Dialer).DialContext, c)
	if err != nil {
		return err
	}
	defer plain.close()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(m.options.freezeAfter):
	}
	return m.compare(ctx, l, plain)
}

// grace is how much longer than hale's connection the plain one is watched.
const grace = 100 * time.Millisecond

// compare lets it happen to both peers and waits.
func (m *measurement) compare(ctx context.Context, l, plain *link) error {
	start := time.Now()
	if err := m.happen(l); err != nil {
		return err
	}
	m.line.print(time.Now(), "the peer %s", m.fate)
	plainStart := time.Now()
	if err := m.happen(plain); err != nil {
		return err
	}
	m.hale = l.wait(ctx, start, start.Add(m.expected.patience()))
	m.ended()
	beside := plain.wait(ctx, plainStart, time.Now().Add(grace))
	m.plain = &beside
	return nil
}

// ended notes how hale's Read ended, and what had been noticed before.
func (m *measurement) ended() {
	start := m.hale.at.Add(-m.hale.after)
	m.suspect, m.beaten = after(start, m.suspected), after(start, m.failed)
	if m.hale.noticed() {
		m.line.print(m.hale.at, "read failed, cause %s: %v", m.hale.cause(), m.hale.err)
		return
	}
	m.line.print(m.hale.at, "nothing noticed; we stop watching")
}
