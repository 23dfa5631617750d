package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

func (s *soaking) printHead(out io.Writer) {
	fmt.Fprintf(out, "seed %d, %v, %d workers, %d connections\npromise %v, deadline of a request %v\n\n",
		s.seed, s.total, s.workers, s.conns(), s.within, s.deadline())
}

func (s *soaking) printReport(out io.Writer, bad error) error {
	var b strings.Builder
	fmt.Fprintln(&b)
	s.printCounts(&b)
	s.printTimes(&b)
	s.printGrowth(&b)
	end := "\nAll checks held.\n"
	if bad != nil {
		end = "\nNot all checks held.\n"
	}
	_, err := io.WriteString(out, b.String()+end)
	return err
}

// A row is a number with a name.
type row struct {
	name  string
	count int64
}

func (s *soaking) printCounts(b *strings.Builder) {
	c := s.tally.soFar()
	failed := c.requests - c.replied
	printRow(b, row{"requests", int64(c.requests)}, fmt.Sprintf("in %.0f s", s.lasted.Seconds()))
	printParts(b, []row{
		{"replied", int64(c.replied)}, {"failed", int64(failed)},
		{"sent again by the pool", s.stats.Retries}, {"sent again by a worker", int64(c.retried)},
	})
	faults := make([]row, 0, len(kinds))
	for _, k := range kinds {
		faults = append(faults, row{string(k), int64(s.faults[k])})
	}
	printRow(b, row{"faults", sum(faults)}, "")
	printParts(b, faults)
	printRow(b, row{"errors", int64(failed)}, "")
	printParts(b, rows(c.errors))
	for _, text := range c.unexplained {
		fmt.Fprintf(b, "    unexplained: %s\n", text)
	}
	deaths := make(map[string]int64)
	for cause, n := range s.stats.Deaths {
		deaths[cause.String()] = n
	}
	died := rows(deaths)
	printRow(b, row{"connections that died", sum(died)}, fmt.Sprintf("of %d", s.stats.Dials-s.stats.DialErrors))
	printParts(b, died)
	reasons := make(map[string]int64)
	for reason, n := range s.stats.Recycled {
		reasons[string(reason)] = n
	}
	left := rows(reasons)
	printRow(b, row{"connections that left", sum(left)}, "")
	printParts(b, left)
	printRow(b, row{"dials that failed", s.stats.DialErrors}, fmt.Sprintf("of %d", s.stats.Dials))
	printRow(b, row{"outages", s.stats.Outages}, fmt.Sprintf("%.1f s in all", s.stats.OutageTime.Seconds()))
}

// rows are those of a map, the most frequent first.
func rows[N int | int64](m map[string]N) []row {
	var r []row
	for _, name := range slices.Sorted(maps.Keys(m)) {
		r = append(r, row{name, int64(m[name])})
	}
	slices.SortStableFunc(r, func(a, b row) int { return cmp.Compare(b.count, a.count) })
	return r
}

func sum(rows []row) (n int64) {
	for _, r := range rows {
		n += r.count
	}
	return n
}

func printRow(b *strings.Builder, r row, remark string) {
	line := fmt.Sprintf("%-34s%10d  %s", r.name, r.count, remark)
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}

func printParts(b *strings.Builder, rows []row) {
	for _, r := range rows {
		printRow(b, row{"  " + r.name, r.count}, "")
	}
}

func (s *soaking) printTimes(b *strings.Builder) {
	fmt.Fprintf(b, "\n%-34s%10s%11s%11s%11s\n", "", "number", "p50", "p99", "longest")
	printTimes(b, "replies", &s.tally.replies)
	printTimes(b, fmt.Sprintf("stalls, from %v on", stallFrom), &s.tally.stalls)
	fmt.Fprintf(b, "\n%-55s%11s%11s\n", "", "longest", "at most")
	printLongest(b, "part of a stall in which the server was well", s.tally.fine, s.patience())
	printLongest(b, "part of it long after a server was mute", s.tally.calm, longestCalm)
	printLongest(b, "silence before a death by silence", s.tally.silence, s.longestSilence())
}

func printTimes(b *strings.Builder, name string, h *histogram) {
	fmt.Fprintf(b, "%-34s%10d%11s%11s%11s\n", name, h.count,
		duration(h.quantile(0.5)), duration(h.quantile(0.99)), duration(h.longest))
}

func printLongest(b *strings.Builder, name string, longest, limit time.Duration) {
	fmt.Fprintf(b, "%-55s%11s%11s\n", name, duration(longest), duration(limit))
}

func duration(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func (s *soaking) printGrowth(b *strings.Builder) {
	fmt.Fprintf(b, "\n%-34s%10s%11s%11s%11s\n", "", "goroutines", "fds", "heap", "connected")
	for _, g := range s.milestones() {
		fmt.Fprintf(b, "%-34s%10d%11d%11s%11d\n", g.When, g.Goroutines, g.FDs, mib(g.Heap), g.Conns)
	}
}

// milestones are the samples that people look at: the ends, and the middle.
func (s *soaking) milestones() []sample {
	quiet := s.quiet
	if n := len(quiet); n > 3 {
		quiet = []sample{quiet[0], quiet[(n-1)/2], quiet[n-1]}
	}
	all := append([]sample{s.before}, quiet...)
	if s.after.When != "" {
		all = append(all, s.after)
	}
	return all
}
