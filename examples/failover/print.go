package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"example.com/hale/internal/lab/failover"
	"example.com/hale/internal/lab/program"
)

// record is the JSON form of what hale's pool did. Times are in seconds.
type record struct {
	Requests     int     `json:"requests"`
	Failed       int     `json:"failed"` // those that were unanswered to the end included
	Retried      int64   `json:"retried"`
	Duplicated   int     `json:"duplicated"`
	Crossed      int     `json:"crossed"`
	LongestStall float64 `json:"longest_stall_s"`

	// Null if nothing was detected, and if nothing was answered any more.
	Detected     *float64 `json:"detected_after_s"`
	PredictedMax float64  `json:"predicted_max_s"`
	Recovered    *float64 `json:"recovered_after_s"`

	DeadHandedOut int `json:"dead_handed_out"`
}

func (r report) printJSON(out io.Writer) error {
	o := r.hale
	return program.PrintJSON(out, record{
		Requests: o.Requests, Failed: o.Failed + o.Unanswered, Retried: o.Retried, Duplicated: o.Duplicated, Crossed: o.Crossed,
		LongestStall: o.LongestStall.Seconds(), Detected: program.Seconds(o.Detected), PredictedMax: r.within.Seconds(),
		Recovered: program.Seconds(o.Recovered), DeadHandedOut: o.DeadHandedOut,
	})
}

func (r report) printTable(out io.Writer) error {
	hale, plain := column{r.hale}.cells(), column{r.plain}.cells()
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\n\thale's pool\tpuddle and net.Dialer")
	for i, name := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\n", name, hale[i], plain[i])
	}
	t.Flush()
	_, err := fmt.Fprintf(out, `
The prediction is %v, so the stall may be %v: the rest is for the dials.
The plain pool was stopped %.1f s after the freeze, before A was thawed. Left alone, a connection
whose request A has taken would hang for 135 to 150 s (net.Dialer's keepalive: idle 15s, interval
15s, count 9), and one with unacknowledged data for some 15 minutes.
`, r.within, r.within+tolerance, r.plain.Stopped.Seconds())
	return err
}

var rows = []string{
	"requests", "failed, and not sent again", "unanswered when stopped", "retried", "duplicated", "crossed", "dead handed out",
	"longest stall", "all deaths detected after", "replies again after",
}

// A column is a pool's.
type column struct{ failover.Outcome }

func (o column) cells() []string {
	failed := fmt.Sprint(o.Failed)
	for _, cause := range slices.Sorted(maps.Keys(o.Causes)) {
		failed += fmt.Sprintf(" (%v: %d)", cause, o.Causes[cause])
	}
	return []string{
		fmt.Sprint(o.Requests), failed, fmt.Sprint(o.Unanswered), fmt.Sprint(o.Retried),
		fmt.Sprint(o.Duplicated), fmt.Sprint(o.Crossed), fmt.Sprint(o.DeadHandedOut),
		o.stall(), o.since(o.Detected), o.since(o.Recovered),
	}
}

func (o column) stall() string {
	s := fmt.Sprintf("%.2f s", o.LongestStall.Seconds())
	if o.Unanswered > 0 {
		s += ", and going on"
	}
	return s
}

// since prints a time from the freeze on.
func (o column) since(d time.Duration) string {
	if d < 0 {
		return fmt.Sprintf("not in %.2f s", o.Stopped.Seconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
