package bench

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
)

// Bounds say what bounds each rival's checkout, by its name.
var Bounds = map[string]string{
	"hale":          "atomic operations on a few cache lines",
	"hale+lifetime": "the same; a timer marks what is too old",
	"hale+peek":     "one system call, recvfrom with MSG_PEEK",
	"puddle":        "a mutex and a semaphore, each taken twice; with waiters the scheduler's hand-over",
	"puddle+peek":   "the same, and a system call by way of package net",
	"vitess":        "atomic stacks; with waiters a lock around their list",
	"sql":           "one mutex, and an allocation",
	"commons-pool":  "several mutexes, and an allocation",
	"pgxpool":       "puddle's mutex and semaphore, and the time of day",
	"go-redis":      "a semaphore and a mutex, a system call (it looks, too), and the command's allocations",
	"channel":       "the channel's mutex; with waiters the scheduler's hand-over",
}

// looks are the rivals that look at the socket at each Acquire.
var looks = []string{"hale+peek", "puddle+peek", "go-redis"}

// Section measures checkouts and waits of the rivals, the first of which is hale.
func Section(e figure.Effort, rivals []Rival) (page.Section, error) {
	s := page.Section{
		Title: "Checkout",
		About: `Acquire and Release with nothing between them, all connections open and idle before.
A figure is the wall time divided by all operations, whoever did them. In the first row of a group it
is hale's; below it are the rivals' times divided by hale's of the same round. The columns
are GOMAXPROCS and the number of callers: with more processors than the machine has, threads
are interrupted while they hold a lock. The last column is what bounds it.`,
	}
	procs := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(procs)
	all := figure.Pick(e, []int{2}, []int{1, 2, 8}, []int{1, 2, 8})
	for _, conns := range figure.Pick(e, []int{8}, []int{8, 64}, []int{8, 64}) {
		m := matrix{effort: e, conns: conns, rivals: rivals, procs: all, callers: []int{1, 2, 32}}
		if err := m.measure(); err != nil {
			return s, err
		}
		s.Tables = append(s.Tables, m.table("What vouches for nothing but by memory", false), m.table("What looks at the socket", true))
	}
	runtime.GOMAXPROCS(procs)
	if err := allocations(rivals, &s); err != nil {
		return s, err
	}
	for _, procs := range all {
		runtime.GOMAXPROCS(procs)
		if err := waitTables(e, rivals, procs, &s); err != nil {
			return s, err
		}
	}
	return s, nil
}

// A matrix is the rivals with some connections, by processors and callers.
type matrix struct {
	effort         figure.Effort
	conns          int
	rivals         []Rival
	procs, callers []int

	columns []string
	samples [][]figure.Sample // of each column, of each rival
}

func (m *matrix) measure() error {
	for _, procs := range m.procs {
		runtime.GOMAXPROCS(procs)
		err := Outside(func(tb testing.TB) {
			uses := make([]Use, len(m.rivals))
			for i, r := range m.rivals {
				uses[i] = open(tb, r, m.conns)
			}
			for _, callers := range m.callers {
				samples, err := figure.Turns(figure.Pick(m.effort, 1, 5, 15), m.runs(uses, callers)...)
				if err != nil {
					tb.Fatal(err)
				}
				m.columns = append(m.columns, fmt.Sprintf("P=%d, %s", procs, plural(callers, "caller")))
				m.samples = append(m.samples, samples)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// runs measures each use, for about as long as the effort says.
func (m *matrix) runs(uses []Use, callers int) (runs []func() (float64, error)) {
	length := figure.Pick(m.effort, 100*time.Microsecond, 10*time.Millisecond, 60*time.Millisecond)
	for _, use := range uses {
		n := 0 // not known before the first run
		runs = append(runs, func() (float64, error) {
			if n == 0 {
				const few = 512
				took, err := timed(use, callers, few)
				if err != nil {
					return 0, err
				}
				n = max(few, int(few*length/max(took, 1)))
			}
			took, err := timed(use, callers, n)
			return float64(took) / float64(n), err
		})
	}
	return runs
}

func timed(use Use, callers, n int) (time.Duration, error) {
	start := time.Now()
	err := share(n, callers, func() func(int) error {
		return func(int) error { return use(nil) }
	})
	return time.Since(start), err
}

// table has the rivals that look at the socket, or the others; the first is hale.
func (m *matrix) table(title string, look bool) page.Table {
	t := page.Table{
		Title:   fmt.Sprintf("%s, %d connections", title, m.conns),
		Columns: slices.Concat([]string{"pool"}, m.columns, []string{"bound"}),
	}
	c := page.Comparison{Word: "quicker", Columns: m.columns}
	base := -1
	for i, r := range m.rivals {
		if slices.Contains(looks, r.Name) != look {
			continue
		}
		row := []string{r.Name}
		if base < 0 {
			base = i
			for _, column := range m.samples {
				row = append(row, column[i].WithSpread())
			}
		} else {
			var medians []float64
			for _, column := range m.samples {
				ratios := column[i].Ratios(column[base])
				row, medians = append(row, ratios.AsRatio()), append(medians, ratios.Median())
			}
			if !strings.HasPrefix(r.Name, "hale") {
				c.Rivals, c.Ratios = append(c.Rivals, r.Name), append(c.Ratios, medians)
			}
		}
		t.Rows = append(t.Rows, append(row, Bounds[r.Name]))
	}
	t.Reading = c.Reading()
	return t
}

// allocations sees that hale's checkouts allocate nothing.
func allocations(rivals []Rival, s *page.Section) error {
	t := page.Table{Title: "Allocations of a checkout, alone", Columns: []string{"pool", "allocations"}}
	err := Outside(func(tb testing.TB) {
		for _, r := range rivals {
			use := open(tb, r, Conns)
			n := testing.AllocsPerRun(200, func() {
				if err := use(nil); err != nil {
					tb.Fatal(err)
				}
			})
			t.Rows = append(t.Rows, []string{r.Name, figure.Count(int(n))})
			if n > 0 && strings.HasPrefix(r.Name, "hale") {
				s.Broken = append(s.Broken, fmt.Sprintf("a checkout of %s allocates %v times", r.Name, n))
			}
		}
	})
	if len(s.Broken) == 0 {
		t.Reading = []string{"hale allocates nothing, whether it looks at the socket or not."}
	}
	s.Tables = append(s.Tables, t)
	return err
}

// waitTables measure how long 32 callers on 8 connections wait, on so many processors.
func waitTables(e figure.Effort, rivals []Rival, procs int, s *page.Section) error {
	uses := make([]Use, len(rivals))
	return Outside(func(tb testing.TB) {
		for i, r := range rivals {
			uses[i] = open(tb, r, Conns)
		}
		for _, h := range holds[1:] {
			t, err := waitTable(e, rivals, uses, fmt.Sprintf("who %s, P=%d", h.name, procs), h.hold)
			if err != nil {
				tb.Fatal(err)
			}
			s.Tables = append(s.Tables, t)
		}
	})
}

// quantiles are the columns of waits.
var quantiles = []struct {
	name string
	part float64
}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}}

func waitTable(e figure.Effort, rivals []Rival, uses []Use, by string, hold func()) (page.Table, error) {
	t := page.Table{
		Title:   fmt.Sprintf("Waits of %d callers on %d connections, each held for 5 µs by one %s", many, Conns, by),
		Columns: []string{"pool", "p50", "p99", "p99.9", "wall time of a use"},
	}
	rounds, n := figure.Pick(e, 1, 5, 9), figure.Pick(e, 2_000, 12_000, 60_000)
	all := make([][4]figure.Sample, len(rivals))
	for range rounds {
		for i := range rivals {
			start := time.Now()
			waited, err := waitsOf(n, uses[i], hold)
			if err != nil {
				return t, err
			}
			wall := float64(time.Since(start)) / float64(n)
			for q := range quantiles {
				all[i][q] = append(all[i][q], waited.Quantile(quantiles[q].part))
			}
			all[i][3] = append(all[i][3], wall)
		}
	}
	c := page.Comparison{Word: "shorter to wait for", Columns: t.Columns[1:]}
	for i, r := range rivals {
		row, ratios := []string{r.Name}, []float64{}
		for q, sample := range all[i] {
			row, ratios = append(row, sample.WithSpread()), append(ratios, sample.Median()/all[0][q].Median())
		}
		t.Rows = append(t.Rows, row)
		if !strings.HasPrefix(r.Name, "hale") {
			c.Rivals, c.Ratios = append(c.Rivals, r.Name), append(c.Ratios, ratios)
		}
	}
	t.Reading = append(c.Reading(), "Bounds: a wait ends when the scheduler runs whoever is woken; whoever takes what comes free without waiting is quick for most and makes a few wait long (p99.9).")
	return t, nil
}

// waitsOf is how many nanoseconds each of n uses waited.
func waitsOf(n int, use Use, hold func()) (figure.Sample, error) {
	waited, err := measureWaits(n, use, hold)
	sample := make(figure.Sample, len(waited))
	for i, w := range waited {
		sample[i] = float64(w)
	}
	return sample, err
}
