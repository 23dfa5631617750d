package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"sync"
	"text/tabwriter"
	"time"
)

// A timeline prints what happens when it happens, in seconds since the first
// event. It belongs to one scenario; if there are more, they print to nowhere.
type timeline struct {
	out   io.Writer
	mu    sync.Mutex // guards start and the order of the lines
	start time.Time
}

func (t *timeline) print(at time.Time, format string, args ...any) {
	if t.out == io.Discard {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.start.IsZero() {
		t.start = at
	}
	fmt.Fprintf(t.out, "[%06.3f] %s\n", at.Sub(t.start).Seconds(), fmt.Sprintf(format, args...))
}

const tolerance = "-0.1 s, +12.5 % +0.2 s: the kernel's timers are never early, and up to an eighth late"

func printTable(out io.Writer, results []result) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nscenario\tpredicted\tsuspect\tmeasured\tcause\terrno\tTimeout()\twithin\tplain net.Dialer")
	for _, r := range results {
		fmt.Fprintln(t, r.row())
	}
	t.Flush()
	fmt.Fprintln(out)
	for _, r := range results {
		fmt.Fprintf(out, "%-9s  the peer %s\n", r.name, r.fate)
		if r.plain != nil && !r.plain.noticed() {
			fmt.Fprintf(out, "%-9s  net.Dialer: not noticed when we stopped watching; %s\n", "", r.why)
		}
		if r.beaten >= 0 {
			fmt.Fprintf(out, "%-9s  a heartbeat, one byte to be sent back every %v, found it after %.2f s\n", "", beatInterval, r.beaten.Seconds())
		}
	}
	_, err := fmt.Fprintf(out, "tolerance  %s\n", tolerance)
	return err
}

func (r result) row() string {
	predicted, suspect, within, plain := "never", "-", "yes", "-"
	if !r.expected.never {
		predicted = exact(r.expected.min) + " to " + exact(r.expected.max) + " s"
	}
	if r.suspect >= 0 {
		suspect = fmt.Sprintf("%.2f s", r.suspect.Seconds())
	}
	if !r.holds() {
		within = "NO"
	}
	if r.plain != nil {
		plain = r.plain.measured()
	}
	if r.plain != nil && r.plain.noticed() {
		plain += fmt.Sprintf(" %s, next read %v", cmp.Or(errnoName(r.plain.err), r.plain.err.Error()), r.plain.next)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%v\t%s\t%s", r.name, predicted, suspect, r.hale.measured(),
		cmp.Or(r.hale.cause(), "-"), cmp.Or(errnoName(r.hale.err), "-"), r.hale.timeout(), within, plain)
}

func (o outcome) measured() string {
	if !o.noticed() {
		return fmt.Sprintf("nothing in %.2f s", o.after.Seconds())
	}
	return fmt.Sprintf("%.2f s", o.after.Seconds())
}

func exact(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
