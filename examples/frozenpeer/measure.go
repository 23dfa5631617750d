package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/peer"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/timeline"
	"example.com/hale/internal/lab/wait"
	"example.com/hale/sockopt"
)

// A result is one scenario, measured.
type result struct {
	scenario
	report   sockopt.Report
	expected prediction
	hale     peer.Outcome
	suspect  time.Duration // when hale gave the last warning, -1 if it did not
	beaten   time.Duration // when a heartbeat noticed, -1 if it did not
	plain    *peer.Outcome // nil if there was no plain connection beside it
}

// holds reports whether what was noticed came when it had to, and by its name.
func (r result) holds() bool {
	return r.expected.holds(r.hale) &&
		(r.expected.never || health.Classify(r.hale.Err) == r.cause) &&
		(!r.elsewhere || r.beaten >= 0 && r.beaten <= noticed.latest())
}

// measure lets one scenario happen, to a peer of our own or to one elsewhere.
func measure(ctx context.Context, o options, s scenario, line *timeline.Timeline) (result, error) {
	m := measurement{options: o, result: result{scenario: s, suspect: -1, beaten: -1}, line: line,
		suspected: make(chan time.Time, 1), failed: make(chan time.Time, 1)}
	measure := m.here
	if o.addr != "" {
		measure = m.there
	}
	if err := measure(ctx); err != nil {
		return m.result, fmt.Errorf("scenario %s: %w", s.name, err)
	}
	return m.result, nil
}

// A measurement is a result being made.
type measurement struct {
	result
	options   options
	line      *timeline.Timeline
	suspected chan time.Time // what the hooks of the connections have to say
	failed    chan time.Time
}

// dial makes the connection that is measured.
func (m *measurement) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := hale.Dialer{KeepAlive: m.options.keepAlive, Observer: m.observer()}
	d.KeepAlive.Count = cmp.Or(d.KeepAlive.Count, m.count)
	if m.stall != nil {
		d.KeepAlive.StallTimeout = m.stall(d.KeepAlive)
	}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	m.report = c.(*hale.Conn).Report()
	m.expected = m.predict(m.report, m.options.freezeAfter)
	m.line.Print(time.Now(), "connected to %v (%v)", c.RemoteAddr(), m.report.Got)
	if err := m.report.Err(); err != nil {
		m.line.Print(time.Now(), "not all options are set: %v", err)
	}
	return c, nil
}

// here measures against a peer of our own.
func (m *measurement) here(ctx context.Context) error {
	if !m.elsewhere {
		return m.beside(ctx, nil)
	}
	p, err := peer.Start(ctx)
	if err != nil {
		return err
	}
	defer p.Kill()
	stop, err := m.beat(ctx, p.Address)
	if err != nil {
		return err
	}
	defer stop()
	return m.beside(ctx, p)
}

// beside has a plain connection beside hale's, both to p if there is one.
func (m *measurement) beside(ctx context.Context, p *peer.Process) error {
	l, err := peer.Connect(ctx, m.dial, p)
	if err != nil {
		return err
	}
	defer l.Close()
	m.line.Print(time.Now(), "read %d bytes", len(peer.Greeting))
	plain, err := peer.Connect(ctx, new(net.Dialer).DialContext, p)
	if err != nil {
		return err
	}
	defer plain.Close()
	if err := wait.Sleep(ctx, m.options.freezeAfter); err != nil {
		return err
	}
	if err := m.readSlowly(ctx, l, plain); err != nil {
		return err
	}
	return m.compare(ctx, l, plain)
}

// readSlowly has both peers do that, in a scenario that begins with it. A
// connection that does not live through it ends before anything has happened,
// which no prediction allows for.
func (m *measurement) readSlowly(ctx context.Context, l, plain *peer.Link) error {
	if !m.slow {
		return nil
	}
	d := slowFor(m.report)
	m.line.Print(time.Now(), "the peer takes what comes, and then reads slowly for %.2f s", d.Seconds())
	return program.Together(ctx,
		func(ctx context.Context) error { return l.ReadSlowly(ctx, d) },
		func(ctx context.Context) error { return plain.ReadSlowly(ctx, d) })
}

// grace is how much longer than hale's connection the plain one is watched.
const grace = 100 * time.Millisecond

// compare lets it happen to both peers and waits.
func (m *measurement) compare(ctx context.Context, l, plain *peer.Link) error {
	start := time.Now()
	if err := m.happen(l); err != nil {
		return err
	}
	m.line.Print(time.Now(), "the peer %s", m.fate)
	plainStart := time.Now()
	if err := m.happen(plain); err != nil {
		return err
	}
	m.hale = l.Wait(ctx, start, start.Add(m.expected.patience()))
	m.ended()
	beside := plain.Wait(ctx, plainStart, time.Now().Add(grace))
	m.plain = &beside
	return nil
}

// ended notes how hale's Read ended, and what had been noticed before.
func (m *measurement) ended() {
	start := m.hale.At.Add(-m.hale.After)
	m.suspect, m.beaten = after(start, m.suspected), after(start, m.failed)
	if m.hale.Noticed() {
		m.line.Print(m.hale.At, "read failed, cause %s: %v", m.hale.Cause(), m.hale.Err)
		return
	}
	m.line.Print(m.hale.At, "nothing noticed; we stop watching")
}
