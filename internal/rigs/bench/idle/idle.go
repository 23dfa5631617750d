// Package idle measures what a connection costs that nobody uses: bytes,
// goroutines and time of a processor, in a process of its own for each kind.
package idle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/hale/internal/lab/child"
	"example.com/hale/internal/lab/crowd"
	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
)

// The goals, of a pooled connection.
const (
	mostBytes = 1024 // above a bare *net.TCPConn
	mostCore  = 0.01 // of a core, for 10,000
	goalConns = 10_000
)

const role = "bench-idle"

// probes is how often one of hale's that is idle is probed, and looked at: within that
// time, each of them once.
const probes = 13 * time.Second

// addresses is how many the server has: each is good for some 28,000 connections.
const addresses = 4

// order is what the process is to do.
type order struct {
	Kind  string
	Conns int
	Addrs []string
	For   time.Duration // how long to be idle
}

// cost is what it answers.
type cost struct {
	Bytes      float64 // of the heap and of stacks, for all connections
	Goroutines int
	Core       float64 // part of a processor
	Err        string
	Processes  int `json:"-"` // that it took
}

// Be makes this process one that has idle connections, if it was started for that.
func Be() {
	child.Be(role, func() error {
		var o order
		if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
			return err
		}
		c, err := o.measure()
		if err != nil {
			c.Err = err.Error()
		}
		if err := json.NewEncoder(os.Stdout).Encode(c); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, os.Stdin) // until it is killed: what it said would go with it
		return err
	})
}

// measure opens the connections, and leaves them idle for a while.
func (o order) measure() (c cost, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if most := crowd.MaxConns(); most < o.Conns {
		return c, fmt.Errorf("RLIMIT_NOFILE leaves room for %d", most)
	}
	bytes, goroutines := now()
	closeAll, err := kinds[o.Kind].open(ctx, o)
	if err != nil {
		return c, err
	}
	defer closeAll()
	time.Sleep(200 * time.Millisecond) // what opening them has left to be done
	after, routines := now()
	c.Bytes, c.Goroutines = after-bytes, routines-goroutines
	before, err := crowd.CPUTime()
	if err != nil {
		return c, err
	}
	start := time.Now()
	time.Sleep(o.For)
	used, err := crowd.CPUTime()
	c.Core = float64(used-before) / float64(time.Since(start))
	return c, err
}

// spread has processes do it, as many as it takes, since each may have so many open
// files and no more, and returns what all of them cost.
func (o order) spread(ctx context.Context, each int) (all cost, err error) {
	processes := max(1, (o.Conns+each-1)/max(1, each))
	all.Processes = processes
	costs, errs := make([]cost, processes), make([]error, processes)
	var running sync.WaitGroup
	for i := range processes {
		part := o
		part.Conns = share(o.Conns, processes, i)
		running.Go(func() { costs[i], errs[i] = part.run(ctx) })
	}
	running.Wait()
	for _, c := range costs {
		all.Bytes += c.Bytes
		all.Goroutines += c.Goroutines
		all.Core += c.Core
		if c.Err != "" {
			all.Err = c.Err
		}
	}
	return all, errors.Join(errs...)
}

// share is what the i-th of n has to do.
func share(all, n, i int) int { return (all + n - 1 - i) / n }

// run has a process do it.
func (o order) run(ctx context.Context) (c cost, err error) {
	server, err := fake.StartRemote(ctx, kinds[o.Kind].protocol, addresses)
	if err != nil {
		return c, err
	}
	defer server.Kill()
	o.Addrs = server.Addrs
	p, err := child.Start(ctx, role)
	if err != nil {
		return c, err
	}
	defer p.Kill()
	text, err := json.Marshal(o)
	if err != nil {
		return c, err
	}
	answer, err := p.Ask(string(text))
	if err != nil {
		return c, err
	}
	err = json.Unmarshal([]byte(answer), &c)
	return c, err
}

// Section measures it.
func Section(ctx context.Context, e figure.Effort) (page.Section, error) {
	idle := figure.Pick(e, 200*time.Millisecond, probes, 3*probes)
	s := page.Section{
		Title: "Idle cost",
		About: `Connections to a server in another process, on several addresses of loopback, idle for ` + figure.Seconds(idle) + `. Those
that are more than a process may have files open are divided among several, with a server each. Bytes
are those of the heap and of stacks after two collections, divided by the connections; what the kernel keeps for
a socket is the same for all and not in them. The processor's time is that of the process, garbage collection
and Go's own threads included, as a part of one core; what the kernel spends on keepalive probes in
interrupts is not in it.`,
	}
	t := page.Table{Columns: []string{"what", "connections", "bytes for each", "above a bare one", "goroutines for each", "of a core", "in a second, for each", "bound"}}
	all := map[string]map[int]cost{}
	for _, n := range figure.Pick(e, []int{50}, []int{1_000, 10_000}, []int{1_000, 10_000, 50_000}) {
		costs, err := order{Conns: n, For: idle}.ofEach(ctx)
		if err != nil {
			return s, fmt.Errorf("%d connections: %w", n, err)
		}
		for i, name := range inOrder {
			c := costs[i]
			if all[name] == nil {
				all[name] = map[int]cost{}
			}
			if c.Err == "" {
				all[name][n] = c
			}
			t.Rows = append(t.Rows, row(name, n, c, all["raw"][n]))
		}
	}
	t.Reading = read(&s, all)
	s.Tables = append(s.Tables, t)
	return s, nil
}

// ofEach has it done for each kind: at the same time if there are not too many
// connections for that, since they are idle and each process counts its own time.
func (o order) ofEach(ctx context.Context) (costs []cost, err error) {
	costs = make([]cost, len(inOrder))
	errs := make([]error, len(inOrder))
	var running sync.WaitGroup
	for i, name := range inOrder {
		o := o
		o.Kind = name
		run := func() {
			var err error
			if costs[i], err = o.spread(ctx, crowd.MaxConns()); err != nil {
				errs[i] = fmt.Errorf("%s: %w", name, err)
			}
		}
		if o.Conns > goalConns {
			run()
			continue
		}
		running.Go(run)
	}
	running.Wait()
	return costs, errors.Join(errs...)
}

func row(name string, n int, c, raw cost) []string {
	conns := figure.Count(n)
	if c.Processes > 1 {
		conns += fmt.Sprintf(", in %d processes", c.Processes)
	}
	if c.Err != "" {
		return []string{kinds[name].name, conns, "not possible: " + c.Err, "", "", "", "", kinds[name].bound}
	}
	of := float64(n)
	return []string{
		kinds[name].name, conns, figure.Number(math.Round(c.Bytes / of)), figure.Number(math.Round((c.Bytes - raw.Bytes) / of)),
		figure.Number(float64(c.Goroutines) / of), figure.Percent(c.Core), figure.Nanoseconds(c.Core * float64(time.Second) / of), kinds[name].bound,
	}
}

// read is what the figures say, at the number of the goals or else the largest.
func read(s *page.Section, all map[string]map[int]cost) []string {
	n := 0
	for measured := range all["pool"] {
		if measured <= goalConns {
			n = max(n, measured)
		}
	}
	of := float64(n)
	ours, raw, http := all["pool"][n], all["raw"][n], all["http"][n]
	above := (ours.Bytes - raw.Bytes) / of
	var sentences []string
	switch theirs := (http.Bytes - raw.Bytes) / of; {
	case theirs < above:
		sentences = append(sentences, fmt.Sprintf("net/http needs fewer bytes: %s above a bare connection.", figure.Number(math.Round(theirs))))
	default:
		sentences = append(sentences, fmt.Sprintf("No rival needs fewer bytes: net/http's are %s above a bare connection.", figure.Number(math.Round(theirs))))
	}
	if http.Core < ours.Core {
		sentences = append(sentences, fmt.Sprintf("net/http asks nothing of the kernel while it is idle, and needs less of a core (%s).", figure.Percent(http.Core)))
	}
	bound := mostCore * max(1, of/goalConns)
	return append(sentences,
		s.Miss(above <= mostBytes, fmt.Sprintf("at most %s bytes above a bare connection", figure.Count(mostBytes)), figure.Number(math.Round(above))),
		s.Miss(float64(ours.Goroutines) < of/100, "no goroutine for a connection", fmt.Sprintf("%d for %s", ours.Goroutines, figure.Count(n))),
		s.Miss(ours.Core < bound, "under "+figure.Percent(bound)+" of a core for "+figure.Count(n), figure.Percent(ours.Core)),
		strings.TrimSpace(growth(all["pool"])))
}

// growth says how the processor's time grows with the connections.
func growth(own map[int]cost) string {
	least, most := math.MaxInt, 0
	for n := range own {
		least, most = min(least, n), max(most, n)
	}
	if most <= least {
		return ""
	}
	return fmt.Sprintf("From %s to %s pooled connections its part of a core goes from %s to %s.",
		figure.Count(least), figure.Count(most), figure.Percent(own[least].Core), figure.Percent(own[most].Core))
}
