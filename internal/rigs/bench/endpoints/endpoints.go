// Package endpoints measures how a connection to one of many endpoints is chosen: what
// that costs, how evenly, and how many requests meet one that has died.
package endpoints

import (
	"context"
	"math"
	"net"
	"time"

	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
)

// perEndpoint is how many connections there are to each, all idle at first, and
// mostPerEndpoint how many there may be: more than are held at a time.
const perEndpoint, mostPerEndpoint, mostHeld = 2, 16, 8

// Section measures it.
func Section(ctx context.Context, e figure.Effort) (page.Section, error) {
	s := page.Section{
		Title: "Many endpoints",
		About: `A connection to one of many endpoints, chosen by pool/cluster, which takes the one with fewer in use of two
at random, and by what is simpler: a pool of hale for each endpoint, chosen at random, or in turn by an atomic counter. All
connections are to servers of this process, two for each endpoint, and idle before. Beside them is grpc-go with its
policy round_robin and a connection to each: what it costs there is to pick one, which many requests share.`,
	}
	for _, measure := range []func(context.Context, figure.Effort, *page.Section) error{costs, evenness, deaths} {
		if err := measure(ctx, e, &s); err != nil {
			return s, err
		}
	}
	return s, nil
}

// sizes are how many endpoints there are.
func sizes(e figure.Effort) []int {
	return figure.Pick(e, []int{3}, []int{10, 100, 1000}, []int{10, 100, 1000})
}

// costs is what it takes to choose, to acquire and to release.
func costs(ctx context.Context, e figure.Effort, s *page.Section) error {
	t := page.Table{Title: "Acquire and Release, by one caller", Columns: []string{"choice"}}
	rows := map[string][]string{}
	c := page.Comparison{Word: "quicker", Ratios: make([][]float64, len(kinds)-1)}
	for _, kind := range kinds[1:] {
		c.Rivals = append(c.Rivals, kind.name)
	}
	for _, n := range sizes(e) {
		samples, err := cost(ctx, e, n)
		if err != nil {
			return err
		}
		column := figure.Count(n) + " endpoints"
		t.Columns, c.Columns = append(t.Columns, column), append(c.Columns, column)
		for i, kind := range kinds {
			rows[kind.name] = append(rows[kind.name], samples[i].WithSpread())
			if i > 0 {
				c.Ratios[i-1] = append(c.Ratios[i-1], samples[i].Ratios(samples[0]).Median())
			}
		}
	}
	t.Columns = append(t.Columns, "bound")
	for _, kind := range kinds {
		t.Rows = append(t.Rows, append(append([]string{kind.name}, rows[kind.name]...), kind.bound))
	}
	t.Reading = c.Reading()
	s.Tables = append(s.Tables, t)
	return nil
}

func cost(ctx context.Context, e figure.Effort, n int) ([]figure.Sample, error) {
	var runs []func() (float64, error)
	for _, kind := range kinds {
		server, err := kind.serve()
		if err != nil {
			return nil, err
		}
		defer server.Close()
		b, err := kind.open(ctx, n, func(int) string { return server.Addr })
		if err != nil {
			return nil, err
		}
		defer b.close()
		times := figure.Pick(e, 100, 50_000, 200_000)
		runs = append(runs, func() (float64, error) {
			start := time.Now()
			for range times {
				if err := b.once(ctx); err != nil {
					return 0, err
				}
			}
			return float64(time.Since(start)) / float64(times), nil
		})
	}
	return figure.Turns(figure.Pick(e, 2, 9, 25), runs...)
}

// evenness is how many more callers the endpoint with most of them has than the mean,
// while some hold what they have.
func evenness(ctx context.Context, e figure.Effort, s *page.Section) error {
	t := page.Table{
		Title:   "The most callers of an endpoint, divided by the mean, where each holds its connection until 8 more have come",
		Columns: []string{"choice"},
	}
	for _, kind := range kinds {
		row := []string{kind.name}
		for _, n := range sizes(e) {
			times := figure.Pick(e, 10, 100, 100) * n
			most, err := uneven(ctx, kind, n, times)
			if err != nil {
				return err
			}
			row = append(row, figure.Times(most))
		}
		t.Rows = append(t.Rows, row)
	}
	for _, n := range sizes(e) {
		t.Columns = append(t.Columns, figure.Count(n)+" endpoints")
	}
	t.Reading = []string{"In turn is as even as can be, and so better than hale's cluster, as long as all callers hold their connections equally long.",
		"What bounds it: at random it is chance, some 1 + 3/√k times the mean for k callers of each endpoint; the better of two is chance, too, where none of both is in use, as with more endpoints than callers."}
	s.Tables = append(s.Tables, t)
	return nil
}

func uneven(ctx context.Context, kind kind, n, times int) (float64, error) {
	server, err := kind.serve()
	if err != nil {
		return 0, err
	}
	defer server.Close()
	b, err := kind.open(ctx, n, func(int) string { return server.Addr })
	if err != nil {
		return 0, err
	}
	defer b.close()
	var held []use
	counts := make([]int, n)
	for range times {
		u, err := b.acquire(ctx)
		if err != nil {
			return 0, err
		}
		counts[u.endpoint]++
		if held = append(held, u); len(held) > mostHeld {
			held[0].release()
			held = held[1:]
		}
	}
	for _, u := range held {
		u.release()
	}
	most := 0
	for _, count := range counts {
		most = max(most, count)
	}
	return float64(most) * float64(n) / float64(times), nil
}

// deaths is how many requests fail when one endpoint dies: its connections are reset,
// and dials refused.
func deaths(ctx context.Context, e figure.Effort, s *page.Section) error {
	during := figure.Pick(e, 100*time.Millisecond, time.Second, 5*time.Second)
	t := page.Table{
		Title:   "Requests that meet an endpoint that has died, of those of the first " + figure.Seconds(during),
		Columns: []string{"choice"},
	}
	for _, n := range sizes(e) {
		t.Columns = append(t.Columns, figure.Count(n)+" endpoints", "failed, of")
	}
	parts := map[string]float64{}
	for _, kind := range kinds {
		row := []string{kind.name}
		for _, n := range sizes(e) {
			failed, all, err := died(ctx, kind, n, during)
			if err != nil {
				return err
			}
			row = append(row, figure.Percent(float64(failed)/math.Max(1, float64(all))), figure.Count(failed)+" of "+figure.Count(all))
			parts[kind.name] += float64(failed) / math.Max(1, float64(all))
		}
		t.Rows = append(t.Rows, row)
	}
	t.Reading = compareDeaths(parts)
	s.Tables = append(s.Tables, t)
	return nil
}

func compareDeaths(parts map[string]float64) []string {
	own := parts[kinds[0].name]
	for _, kind := range kinds[1:] {
		if parts[kind.name] < own {
			return []string{kind.name + " meets it less often than hale's cluster."}
		}
	}
	return []string{"No other choice meets it less often than hale's cluster, which leaves it out once a connection of it has died and a dial has failed; grpc-go's policy does so, too. A choice that does not know of that goes on to meet it, a pool's error at once instead of a connection's.",
		"What bounds it: the death watch, or a blocked read, and one dial that is refused; a request that was under way at that moment is lost with any of them."}
}

func died(ctx context.Context, kind kind, n int, during time.Duration) (failed, all int, err error) {
	server, err := kind.serve()
	if err != nil {
		return 0, 0, err
	}
	defer server.Close()
	victim, err := kind.serve()
	if err != nil {
		return 0, 0, err
	}
	defer victim.Close()
	b, err := kind.open(ctx, n, func(i int) string {
		if i == 0 {
			return victim.Addr
		}
		return server.Addr
	})
	if err != nil {
		return 0, 0, err
	}
	defer b.close()
	victim.Reset()
	_ = victim.Close()
	for start := time.Now(); time.Since(start) < during; all++ {
		if !request(ctx, b) {
			failed++
		}
	}
	return failed, all, ctx.Err()
}

// request reports whether one succeeds within a second.
func request(ctx context.Context, b balancer) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return b.request(ctx) == nil
}

func ping(c net.Conn) error {
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}
