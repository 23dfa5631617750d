package dialling

import (
	"context"
	"fmt"
	"net"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/deathwatch"
	"example.com/hale/internal/awake"
	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
	"example.com/hale/sockopt"
)

// A part is something that a dial by hale does, by itself, on a connection that stands.
type part struct {
	name, calls string
	do          func() error
}

// reads is how many options sockopt.Get asks for on Linux 6.15 and newer.
const reads = 6

// partsOf are those of a dial and its Close; the last one is not one, but the measure.
func partsOf(tcp *net.TCPConn) ([]part, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	plan, err := sockopt.Current().Plan(sockopt.KeepAlive{})
	if err != nil {
		return nil, err
	}
	before, after := plan.Split()
	return []part{
		{"keepalive, set before the connect; net.Dialer sets it after", "4 × setsockopt", func() error { return before.Set(raw) }},
		{"the pace, set when it stands, no shorter than the path allows, and all read back", "getsockopt TCP_INFO, setsockopt, 6 × getsockopt", func() error {
			_, err := after.Apply(raw)
			return err
		}},
		{"the watch, begun, and ended by the Close", "getsockopt SO_PROTOCOL, 2 × epoll_ctl", func() error {
			stop, err := deathwatch.Watch(tcp, func(*health.DeadError) {})
			if err == nil {
				stop()
			}
			return err
		}},
		{"the bound of the dial by the promise", "none", func() error {
			awake.Bound(context.Background(), time.Second).Stop()
			return nil
		}},
		{"six options read, for comparison", "6 × getsockopt", func() error {
			_, err := sockopt.Get(raw)
			return err
		}},
	}, nil
}

// explain measures the parts, and says what of the time that hale takes more is theirs.
func explain(ctx context.Context, e figure.Effort, addr string, times []figure.Sample, s *page.Section) error {
	c, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	parts, err := partsOf(c.(*net.TCPConn))
	if err != nil {
		return err
	}
	var runs []func() (float64, error)
	for _, p := range parts {
		runs = append(runs, func() (float64, error) { return each(p.do, figure.Pick(e, 5, 200, 1000)) })
	}
	samples, err := figure.Turns(figure.Pick(e, 2, 25, 60), runs...)
	if err != nil {
		return err
	}
	t := page.Table{Title: "What the parts of hale's dial cost, each by itself on a connection that stands", Columns: []string{"part", "system calls", "time"}}
	for i, p := range parts {
		t.Rows = append(t.Rows, []string{p.name, p.calls, samples[i].WithSpread()})
	}
	t.Reading = account(samples, times)
	s.Tables = append(s.Tables, t)
	return nil
}

// account sets the parts beside what was measured of whole dials.
func account(parts, dials []figure.Sample) []string {
	net, own := dials[0].Median(), dials[len(dials)-1].Median()
	more, known := own-net, 0.0
	for _, p := range parts[1 : len(parts)-1] {
		known += p.Median()
	}
	call := parts[len(parts)-1].Median() / reads
	return []string{
		fmt.Sprintf("What net.Dialer has no part in, all rows but the first and the last, is %s; a whole dial takes %s longer. The rest is memory, locks, SO_NETNS_COOKIE, and what a busy cache adds to each of them between a connect and a Close.",
			figure.Nanoseconds(known), figure.Nanoseconds(more)),
		fmt.Sprintf("The bound: one getsockopt(2) takes %s here, and %s of net.Dialer's time has room for %.0f of them. To set the pace, to read the six options back and to have the connection watched takes ten.",
			figure.Nanoseconds(call), figure.Percent(within), max(0, within*net/call)),
	}
}

func each(do func() error, n int) (float64, error) {
	start := time.Now()
	for range n {
		if err := do(); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(start)) / float64(n), nil
}
