// Package wrapper measures a hale.Conn beside the *net.TCPConn that package net
// makes: the time of its calls, what they allocate, and which system calls they are.
package wrapper

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
	"example.com/hale/internal/rigs/bench/syscalls"
)

// within is the goal: how much longer a call may take.
const within = 0.03

// Section measures it.
func Section(ctx context.Context, e figure.Effort) (page.Section, error) {
	s := page.Section{
		Title: "The wrapper",
		About: `The calls of a connection of a hale.Dialer beside those of one of a net.Dialer, on loopback. Up to
32 KiB the peer acts before and after a call is timed and not meanwhile, so that neither the scheduler nor
the other processor has a part in it; larger ones are a stream, with the peer's work in it.`,
	}
	if err := times(e, &s); err != nil {
		return s, err
	}
	return s, calls(ctx, &s)
}

func times(e figure.Effort, s *page.Section) error {
	t := page.Table{Columns: []string{"call", "bytes", "raw", "hale / raw", "allocations, raw", "hale", "bound"}}
	var worst, sum float64
	var at string
	var more []string   // that allocate more than raw
	var beyond []string // that are beyond the goal for certain
	var unsure []string // and that may be
	for _, o := range ops {
		raw, own, err := allocationsOf(o)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		switch {
		case o.free && own > 0:
			s.Broken = append(s.Broken, fmt.Sprintf("%s allocates %v times", o.name, own))
		case own > raw:
			more = append(more, o.name)
		}
		for _, size := range []int{64, 4 << 10, 64 << 10, 1 << 20} {
			samples, err := timesOf(o, size, e)
			if err != nil {
				return fmt.Errorf("%s of %d bytes: %w", o.name, size, err)
			}
			ratios := samples[1].Ratios(samples[0])
			t.Rows = append(t.Rows, []string{o.name, figure.Count(size), samples[0].WithSpread(), ratios.AsRatio(), figure.Number(raw), figure.Number(own), o.bound})
			sum += ratios.Median()
			what := fmt.Sprintf("%s of %s bytes", o.name, figure.Count(size))
			switch low, high := ratios.Interval(); {
			case low > 1+within:
				beyond = append(beyond, fmt.Sprintf("%s (%s)", what, ratios.AsRatio()))
			case high > 1+within:
				unsure = append(unsure, fmt.Sprintf("%s (%s to %s)", what, figure.Times(low), figure.Times(high)))
			}
			if m := ratios.Median(); m > worst {
				worst, at = m, what
			}
		}
	}
	t.Reading = []string{
		fmt.Sprintf("The raw connection is better by %s at most (%s); in the mean of all rows hale takes %s of its time.",
			figure.Percent(worst-1), at, figure.Times(sum/float64(len(t.Rows)))),
		s.Miss(len(beyond) == 0, "within "+figure.Percent(within)+" of the raw connection, as far as the spread tells", beyondText(beyond)),
		unsureText(len(t.Rows), len(beyond), unsure),
		s.Miss(len(more) == 0, "no allocation that the raw connection does not make", map[bool]string{true: "so in every row", false: "not so for " + page.List(more)}[len(more) == 0]),
		"What hale adds to a call is two atomic additions for those that are under way and one for the bytes written, some 10 to 20 ns; the rest is the kernel's.",
	}
	if slices.Contains(more, copyOfFile) {
		t.Reading = append(t.Reading, "What bounds "+copyOfFile+": package os has the kernel write to a *net.TCPConn by itself, past whatever wraps it, so that nobody would count the bytes or keep the error. To a Conn it goes by way of ReadFrom and net.sendFile, the same system calls, where package os allocates for the file's descriptor, and package net three times for a closure and what that sets: 88 bytes and half a microsecond in all, however large the file is.")
	}
	s.Tables = append(s.Tables, t)
	return nil
}

// beyondText names the rows that are beyond the goal.
func beyondText(rows []string) string {
	if len(rows) == 0 {
		return "so in every row, or cannot be told from it"
	}
	return "more for " + page.List(rows)
}

// unsureText says of how many rows the goal is shown, and of which the spread is too
// large to tell.
func unsureText(rows, beyond int, unsure []string) string {
	shown := rows - beyond - len(unsure)
	text := fmt.Sprintf("That a row is within it is shown for %d of %d: the interval that has the true median in 95 of 100 cases ends below it.", shown, rows)
	if len(unsure) > 0 {
		text += " It reaches beyond for " + page.List(unsure) + "."
	}
	return text
}

func allocationsOf(o op) (raw, own float64, err error) {
	var n [2]float64
	for i, kind := range kinds {
		e, end, err := connect(kind.dialer)
		if err != nil {
			return 0, 0, err
		}
		n[i], err = o.allocations(e)
		end()
		if err != nil {
			return 0, 0, err
		}
	}
	return n[0], n[1], nil
}

// timesOf measures both kinds in turn, on several connections each.
func timesOf(o op, size int, e figure.Effort) ([]figure.Sample, error) {
	length := figure.Pick(e, 20*time.Microsecond, 4*time.Millisecond, 20*time.Millisecond)
	if size > inBuffer {
		length *= 3
	}
	samples := make([]figure.Sample, len(kinds))
	for range figure.Pick(e, 1, 3, 5) {
		var all []*ends
		for _, kind := range kinds {
			e, end, err := connect(kind.dialer)
			if err != nil {
				return nil, err
			}
			defer end()
			all = append(all, e)
		}
		for range figure.Pick(e, 1, 7, 15) {
			ns, err := o.both(all, size, length)
			if err != nil {
				return nil, err
			}
			for i := range samples {
				samples[i] = append(samples[i], ns[i])
			}
		}
	}
	return samples, nil
}

// Parts are what a traced process does, see [syscalls.Be].
func Parts() map[string]syscalls.Part {
	parts := map[string]syscalls.Part{}
	for _, kind := range kinds {
		for _, o := range ops {
			parts[partName(kind.name, o)] = func(bytes string, count func(func())) error {
				size, err := strconv.Atoi(bytes)
				if err != nil {
					return err
				}
				return o.counted(kind.dialer, size, count)
			}
		}
	}
	return parts
}

// partName has no spaces.
func partName(kind string, o op) string { return kind + "/" + strings.ReplaceAll(o.name, " ", "-") }

// windows is how often a call is traced. The first few, in which a pipe is made and
// the like, are not counted.
const warm, windows = 5, 25

// counted makes the calls of one op, with its data there and no peer at work.
func (o op) counted(d dialer, size int, count func(func())) error {
	e, end, err := connect(d)
	if err != nil {
		return err
	}
	defer end()
	do, tidy, err := o.prepare(e, size)
	if err != nil {
		return err
	}
	defer tidy()
	for n := range warm + windows {
		if o.feeds {
			if err := e.feed(size); err != nil {
				return err
			}
		}
		var err error
		call := func() { err = do() }
		if n < warm {
			call()
		} else {
			count(call)
		}
		if err == nil && o.drains {
			err = e.drain(size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// calls compares the system calls, of as much as there is surely room for: beyond that
// it is the peer that decides how many there are.
func calls(ctx context.Context, s *page.Section) error {
	t := page.Table{Title: "System calls of one call, of bytes that are there or that there is room for", Columns: []string{"call", "bytes", "raw", "hale"}}
	same := true
	for _, o := range ops {
		for _, size := range []int{64, 1 << 10, inBuffer} {
			row := []string{o.name, figure.Count(size)}
			for _, kind := range kinds {
				got, err := syscalls.Trace(ctx, partName(kind.name, o), strconv.Itoa(size))
				if err != nil {
					s.Tables = append(s.Tables, page.Table{Reading: []string{"**Not counted** on this machine: the system calls (" + err.Error() + ")."}})
					return nil
				}
				row = append(row, syscalls.Typical(got).String())
			}
			same = same && row[2] == row[3]
			t.Rows = append(t.Rows, row)
		}
	}
	t.Reading = []string{
		s.Miss(same, "the same system calls as the raw connection", map[bool]string{true: "so in every row", false: "not so in every row"}[same]),
		"A larger one repeats them, as often as its peer lets it wait.",
	}
	s.Tables = append(s.Tables, t)
	return nil
}
