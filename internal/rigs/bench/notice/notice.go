// Package notice measures how long it takes from a kernel's verdict on idle
// connections to a pool that has given them up and dials anew.
package notice

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strings"
	"time"

	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
)

func keyOf(c net.Conn) string { return fake.Key(c.LocalAddr(), c.RemoteAddr()) }

// patience is how long a rival may take to notice by itself.
const patience = 300 * time.Millisecond

// outcome is what all rounds with n connections of one rival have shown.
type outcome struct {
	delays, redials figure.Sample // nanoseconds: of each connection to evicted, and of each dial
	conns, known    int           // in all rounds; of them, given up without a use
	errs, uses      int
}

// Section measures it.
func Section(ctx context.Context, e figure.Effort) (page.Section, error) {
	s := page.Section{
		Title: "Time to know",
		About: `A server in a process of its own resets idle connections (RST), one by one. A delay is from the moment
before the system call that sends the RST to the moment in which the pool gives that connection up, seen by
its Evict hook or by the Close of the connection. A rival that has not noticed after ` + figure.Seconds(patience) + ` is used, once for
each connection: what callers are told then is counted. hale keeps MinConns, and so dials as many anew: of these
dials the first is set beside the first RST, the second beside the second, and so on.`,
	}
	t := page.Table{Columns: []string{"pool", "connections", "noticed by itself", "p50", "p99", "dialled anew, p50", "p99", "errors to callers", "bound"}}
	var better []string
	own := map[int]outcome{}
	for _, n := range figure.Pick(e, []int{1, 20}, []int{1, 100, 10_000}, []int{1, 100, 10_000}) {
		for _, r := range rivals {
			o, err := measure(ctx, r, n, rounds(e, n))
			if err != nil {
				return s, fmt.Errorf("%s with %d connections: %w", r.name, n, err)
			}
			t.Rows = append(t.Rows, o.row(r, n))
			if r.name == "hale" {
				own[n] = o
			} else if o.known == o.conns && o.delays.Quantile(0.99) < own[n].delays.Quantile(0.99) {
				better = append(better, fmt.Sprintf("%s knows sooner than hale of %s (p99 %s, hale's is %s), by %s.", r.name, figure.Count(n),
					figure.Nanoseconds(o.delays.Quantile(0.99)), figure.Nanoseconds(own[n].delays.Quantile(0.99)), r.learns))
			}
		}
	}
	if len(better) == 0 {
		better = []string{"No rival knows sooner."}
	}
	t.Reading = append(better, reading(own)...)
	s.Tables = append(s.Tables, t)
	return s, nil
}

func rounds(e figure.Effort, n int) int {
	switch {
	case e == figure.Brief || n > 1000:
		return 1
	case n == 1:
		return figure.Pick(e, 1, 8, 50)
	}
	return figure.Pick(e, 1, 2, 10)
}

func (o outcome) row(r rival, n int) []string {
	errs := "not used"
	if o.uses > 0 {
		errs = fmt.Sprintf("%s of %s uses", figure.Count(o.errs), figure.Count(o.uses))
	}
	row := []string{r.name, figure.Count(n), fmt.Sprintf("%s of %s", figure.Count(o.known), figure.Count(o.conns))}
	for _, ns := range []float64{o.delays.Median(), o.delays.Quantile(0.99), o.redials.Median(), o.redials.Quantile(0.99)} {
		row = append(row, figure.Nanoseconds(ns))
	}
	return append(row, errs, r.learns)
}

// reading says what hale's own figures are.
func reading(own map[int]outcome) []string {
	most := 0
	missed := 0
	for n, o := range own {
		most = max(most, n)
		missed += o.conns - o.known
	}
	o := own[most]
	sentences := []string{fmt.Sprintf("hale has evicted 99 of a hundred of %s connections within %s of each one's own RST; one goroutine asks the kernel for the cause of each and evicts them in turn, while the server's process sends the next RST and those that were lost are dialled; 99 of a hundred dials were begun within %s. In a profile of this (BenchmarkReset) half of the processor's time is the dials', and a twentieth the watch's, which has to wait for its turn.",
		figure.Count(most), figure.Nanoseconds(o.delays.Quantile(0.99)), figure.Nanoseconds(o.redials.Quantile(0.99)))}
	if missed > 0 {
		sentences = append(sentences, fmt.Sprintf("**%s of its connections were not known to be dead** before that time was over.", figure.Count(missed)))
	}
	return append(sentences, "Those that learn at the next use keep dead connections until then: their callers pay for it in time where they look or ping first, in errors where they do not.")
}

func measure(ctx context.Context, r rival, n, rounds int) (o outcome, err error) {
	for range rounds {
		if err := once(ctx, r, n, &o); err != nil {
			return o, err
		}
	}
	return o, nil
}

func once(ctx context.Context, r rival, n int, o *outcome) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	server, err := fake.StartRemote(ctx, r.protocol, 1)
	if err != nil {
		return err
	}
	defer server.Kill()
	rec := newRecord()
	use, end, err := r.open(ctx, rec, server.Addrs[0], n)
	if err != nil {
		return err
	}
	defer end()
	if err := server.Accepted(n); err != nil {
		return err
	}
	time.Sleep(50 * time.Millisecond) // what opening them has left to be done
	dialed := len(rec.begun())
	at, err := server.Reset()
	if err != nil {
		return err
	}
	asked := time.Now()
	longest := patience
	if r.name == "hale" {
		longest = 30 * time.Second
	}
	for rec.known() < n && time.Since(asked) < longest {
		time.Sleep(500 * time.Microsecond)
	}
	o.conns += n
	o.known += rec.collect(at, &o.delays)
	if strings.HasPrefix(r.name, "hale") {
		return o.redialled(ctx, rec, dialed, slices.SortedFunc(maps.Values(at), time.Time.Compare))
	}
	if rec.known() == n {
		return nil // a use would dial, and nothing else
	}
	for range n {
		o.uses++
		if use() != nil {
			o.errs++
		}
	}
	return ctx.Err()
}

// redialled waits until as many are dialled as were reset.
func (o *outcome) redialled(ctx context.Context, rec *record, before int, resets []time.Time) error {
	for ctx.Err() == nil {
		if since := rec.begun()[before:]; len(since) >= len(resets) {
			for i, at := range resets {
				o.redials = append(o.redials, math.Max(0, float64(since[i].Sub(at))))
			}
			return nil
		}
		time.Sleep(500 * time.Microsecond)
	}
	return ctx.Err()
}

// collect adds how long each connection took to be given up that was.
func (r *record) collect(at map[string]time.Time, delays *figure.Sample) (known int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, reset := range at {
		if gone, ok := r.goneAt[key]; ok {
			known++
			*delays = append(*delays, math.Max(0, float64(gone.Sub(reset))))
		}
	}
	return known
}
