package dialling

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
	"example.com/hale/sockopt"
)

// A part of a dial and its Close is what has one of some functions on its stack, and
// none of those of the parts before it.
type part struct {
	name      string
	functions []string // as they begin
}

var parts = []part{
	{"memory", []string{"runtime.mallocgc", "runtime.gcAssist"}},
	{"connect(2)", []string{"syscall.Connect"}},
	{"close(2)", []string{"syscall.Close"}},
	{"socket(2)", []string{"net.sysSocket"}},
	{"keepalive and TCP_NODELAY, set", []string{"net.newTCPConn", "example.com/hale/sockopt.Plan.Set"}},
	{"SO_NETNS_COOKIE, and the setting of that network namespace", []string{"example.com/hale.(*Conn).retries2"}},
	{"TCP_INFO read, the pace set, six options read back", []string{"example.com/hale.(*Conn).apply"}},
	{"the watch, begun and ended: 2 × epoll_ctl", []string{"example.com/hale.(*Conn).startWatch", "example.com/hale.(*Conn).stopWatch"}},
	{"the bound of the dial", []string{"example.com/hale/internal/awake.", "context.", "internal/poll.(*FD).SetWriteDeadline"}},
	{"Go's poller, SO_ERROR, getpeername and getsockname", []string{"internal/poll.", "net.(*netFD).", "runtime.netpoll"}},
	{"the rest", []string{""}},
}

// partOf is the part that a stack belongs to.
func partOf(stack []string) int {
	return slices.IndexFunc(parts, func(p part) bool {
		return slices.ContainsFunc(stack, func(function string) bool {
			return slices.ContainsFunc(p.functions, func(begin string) bool { return strings.HasPrefix(function, begin) })
		})
	})
}

// a cost is the processor's time of all dials of a kind, by the parts.
type cost struct {
	dials int
	spent []time.Duration
	seen  []int // samples
}

// label is what the samples of a profile have of the kind that was dialled.
const label = "dialer"

// profiled has both kinds dial in turn while the processor's time is sampled.
func profiled(ctx context.Context, length time.Duration, addr string, kinds ...int) (map[int]*cost, error) {
	costs := map[int]*cost{}
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		return nil, err
	}
	const some = 50
	var err error
	for start := time.Now(); err == nil && time.Since(start) < length; {
		for _, kind := range kinds {
			pprof.Do(ctx, pprof.Labels(label, partName(kind)), func(ctx context.Context) {
				_, failed := dials(ctx, allKinds[kind].dialer, addr, some)
				err = cmp.Or(err, failed)
			})
			if costs[kind] == nil {
				costs[kind] = &cost{spent: make([]time.Duration, len(parts)), seen: make([]int, len(parts))}
			}
			costs[kind].dials += some
		}
	}
	pprof.StopCPUProfile()
	if err != nil {
		return nil, err
	}
	p, err := profile.Parse(&b)
	if err != nil {
		return nil, err
	}
	for _, s := range p.Sample {
		for kind, c := range costs {
			if s.HasLabel(label, partName(kind)) {
				at := partOf(stackOf(s))
				c.seen[at] += int(s.Value[0])
				c.spent[at] += time.Duration(s.Value[1])
			}
		}
	}
	return costs, nil
}

func stackOf(s *profile.Sample) (functions []string) {
	for _, at := range s.Location {
		for _, line := range at.Line {
			functions = append(functions, line.Function.Name)
		}
	}
	return functions
}

// of is the time of a part for one dial, in nanoseconds.
func (c *cost) of(part int) float64 { return float64(c.spent[part]) / float64(c.dials) }

func (c *cost) all() (ns float64) {
	for i := range parts {
		ns += c.of(i)
	}
	return ns
}

// cell is it with the error of counting samples.
func (c *cost) cell(part int) string {
	if c.seen[part] == 0 {
		return "0 ns"
	}
	return fmt.Sprintf("%s ±%.0f %%", figure.Nanoseconds(c.of(part)), 100/math.Sqrt(float64(c.seen[part])))
}

// explain says what the processor does longer in hale's dials than in net.Dialer's.
func explain(ctx context.Context, e figure.Effort, addr string, times []figure.Sample, s *page.Section) error {
	own := len(allKinds) - 1
	costs, err := profiled(ctx, figure.Pick(e, 300*time.Millisecond, 12*time.Second, time.Minute), addr, 0, own)
	if err != nil {
		return err
	}
	read, err := oneRead(ctx, e, addr)
	if err != nil {
		return err
	}
	t := page.Table{
		Title:   "Where the processor's time goes in a dial and its Close, by a profile of both in turn",
		Columns: []string{"part", allKinds[0].name, allKinds[own].name, "more"},
	}
	for i, p := range parts {
		more := costs[own].of(i) - costs[0].of(i)
		t.Rows = append(t.Rows, []string{p.name, costs[0].cell(i), costs[own].cell(i), figure.Nanoseconds(more)})
	}
	t.Rows = append(t.Rows, []string{"all", figure.Nanoseconds(costs[0].all()), figure.Nanoseconds(costs[own].all()), figure.Nanoseconds(costs[own].all() - costs[0].all())})
	t.Reading = account(costs[0], costs[own], read, times)
	s.Tables = append(s.Tables, t)
	return nil
}

// account says what hale's dials take longer for, and what there is no way around.
func account(net, own *cost, read float64, times []figure.Sample) []string {
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	more := func(i int) float64 { return own.of(i) - net.of(i) }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(more(b), more(a)) })
	var most []string
	for _, i := range order[:3] {
		most = append(most, fmt.Sprintf("%s (%s)", parts[i].name, figure.Nanoseconds(more(i))))
	}
	return []string{
		"The server, Go's scheduler and whatever waits are in none of them; ± is the error of counting samples of 10 ms.",
		fmt.Sprintf("What hale needs most for: %s.", page.List(most)),
		fmt.Sprintf("The bound: to read six options on a connection that stands, over and over, takes %s for each, and %s of net.Dialer's time has room for %.0f of such calls; between a connect and a Close, with its way through the kernel in no cache, each takes longer. "+
			"Read back they are what the kernel took, at a moment in which neither the program nor the watch has set anything else, and on a connection that is open: what was read only when Report is called would be neither.",
			figure.Nanoseconds(read), figure.Percent(within), max(0, within*times[0].Median()/read)),
	}
}

// oneRead is what it takes to read an option, of six in a row.
func oneRead(ctx context.Context, e figure.Effort, addr string) (ns float64, err error) {
	c, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	const reads = 6 // of sockopt.Get on Linux 6.15 and newer
	times := figure.Pick(e, 5, 200, 1000)
	samples, err := figure.Turns(figure.Pick(e, 2, 25, 60), func() (float64, error) {
		start := time.Now()
		for range times {
			if _, err := sockopt.Get(raw); err != nil {
				return 0, err
			}
		}
		return float64(time.Since(start)) / float64(times*reads), nil
	})
	if err != nil {
		return 0, err
	}
	return samples[0].Median(), nil
}
