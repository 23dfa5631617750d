// Package dialling measures a dial by a hale.Dialer, which plans, sets and reads
// back the socket's options and has the connection watched, beside one by a
// net.Dialer.
package dialling

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"example.com/hale"
	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
	"example.com/hale/internal/rigs/bench/syscalls"
)

// within is the goal: how much longer a dial and its close may take.
const within = 0.05

type dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// allKinds are what is compared; package net's own first.
var allKinds = []struct {
	name string
	dialer
}{
	{"net.Dialer", &net.Dialer{}},
	{"net.Dialer without keepalive", &net.Dialer{KeepAlive: -1}},
	{"net.Dialer with a Timeout, which hale's has", &net.Dialer{Timeout: 30 * time.Second}},
	{"hale.Dialer", &hale.Dialer{}},
}

// keepWatching has the process's death watch run already, as in any program that
// has a connection.
func keepWatching(addr string) (release func(), err error) {
	c, err := hale.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return func() { c.Close() }, nil
}

// Section measures it.
func Section(ctx context.Context, e figure.Effort) (page.Section, error) {
	s := page.Section{
		Title: "Dial",
		About: `A dial on loopback, to a server of this process that says nothing, and the Close of what was
dialled. On a path with a round trip of a millisecond all three are the same: what is compared is the work
around one connect(2). Another connection is open all the time, so that the death watch runs already.`,
	}
	server, err := fake.Start(fake.Silent) // which closes first would have the watch tell of it
	if err != nil {
		return s, err
	}
	defer server.Close()
	addr := server.Addr
	release, err := keepWatching(addr)
	if err != nil {
		return s, err
	}
	defer release()
	samples, err := times(ctx, e, addr, &s)
	if err != nil {
		return s, err
	}
	if err := calls(ctx, addr, samples, &s); err != nil {
		return s, err
	}
	return s, explain(ctx, e, addr, samples, &s)
}

// times returns the nanoseconds of the dials of each kind.
func times(ctx context.Context, e figure.Effort, addr string, s *page.Section) ([]figure.Sample, error) {
	n := figure.Pick(e, 5, 100, 300)
	var runs []func() (float64, error)
	for _, kind := range allKinds {
		runs = append(runs, func() (float64, error) { return dials(ctx, kind.dialer, addr, n) })
	}
	samples, err := figure.Turns(figure.Pick(e, 2, 25, 60), runs...)
	if err != nil {
		return nil, err
	}
	t := page.Table{Columns: []string{"dialer", "dial and close", "/ net.Dialer", "bound"}}
	for i, kind := range allKinds {
		t.Rows = append(t.Rows, []string{kind.name, samples[i].WithSpread(), samples[i].Ratios(samples[0]).AsRatio(), bounds[i]})
	}
	last := len(allKinds) - 1
	ratio := samples[last].Ratios(samples[0]).Median()
	word := "better"
	if ratio < 1 {
		word = "worse"
	}
	t.Reading = []string{
		fmt.Sprintf("net.Dialer is %s by %s.", word, figure.Percent(max(ratio-1, 1-ratio))),
		s.Miss(ratio <= 1+within, "a dial on loopback within "+figure.Percent(within)+" of net.Dialer's", figure.Percent(ratio-1)),
	}
	s.Tables = append(s.Tables, t)
	return samples, nil
}

var bounds = []string{
	"socket(2), connect(2) and close(2), which on loopback do the handshake of both sides",
	"the same, without four setsockopt(2)",
	"the same, and timers of the dial and of its connection, set and stopped",
	"the same, with more system calls, as below",
}

func dials(ctx context.Context, d dialer, addr string, n int) (float64, error) {
	start := time.Now()
	for range n {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return 0, err
		}
		// Its own end first would leave a port in TIME_WAIT for each.
		_ = c.(interface{ SetLinger(int) error }).SetLinger(0)
		c.Close()
	}
	return float64(time.Since(start)) / float64(n), nil
}

// Parts are what a traced process does, see [syscalls.Be].
func Parts() map[string]syscalls.Part {
	parts := map[string]syscalls.Part{}
	for i, kind := range allKinds {
		parts[partName(i)] = func(addr string, count func(func())) error { return counted(kind.dialer, addr, count) }
	}
	return parts
}

func partName(i int) string { return fmt.Sprint("dial", i) }

func counted(d dialer, addr string, count func(func())) error {
	const warm, windows = 3, 25
	release, err := keepWatching(addr)
	if err != nil {
		return err
	}
	defer release()
	for n := range warm + windows {
		var c net.Conn
		var err error
		dial := func() { c, err = d.DialContext(context.Background(), "tcp", addr) }
		if n < warm {
			dial()
		} else {
			count(dial)
		}
		if err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

func calls(ctx context.Context, addr string, samples []figure.Sample, s *page.Section) error {
	t := page.Table{Title: "System calls of a dial, without the Close", Columns: []string{"dialer", "calls", "of them"}}
	var typical []syscalls.Window
	for i, kind := range allKinds {
		got, err := syscalls.Trace(ctx, partName(i), addr)
		if err != nil {
			s.Tables = append(s.Tables, page.Table{Reading: []string{"**Not counted** on this machine: the system calls (" + err.Error() + ")."}})
			return nil
		}
		typical = append(typical, syscalls.Typical(got))
		t.Rows = append(t.Rows, []string{kind.name, figure.Count(typical[i].Total()), typical[i].String()})
	}
	first, last := typical[0].Total(), typical[len(typical)-1].Total()
	more := samples[len(samples)-1].Median() - samples[0].Median()
	t.Reading = []string{fmt.Sprintf("hale makes %d calls more, and takes %s longer: %s for each.",
		last-first, figure.Nanoseconds(more), figure.Nanoseconds(more/max(1, float64(last-first))))}
	t.Reading = append(t.Reading, twice(typical[len(typical)-1])...)
	s.Tables = append(s.Tables, t)
	return nil
}

// twice says which calls are made more than once, as those that could go.
func twice(w syscalls.Window) []string {
	var all []string
	for name, n := range w {
		if n > 1 && name != "epoll_ctl" { // of Go's poller, and of the watch
			all = append(all, fmt.Sprintf("%s (%d)", name, n))
		}
	}
	if len(all) == 0 {
		return []string{"No call is made twice: each option is set once and read back once, which is what a Report is made of."}
	}
	slices.Sort(all)
	return []string{"Made more than once: " + page.List(all) + "."}
}
