package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"example.com/hale/internal/lab/peer"
)

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
		if r.plain != nil && !r.plain.Noticed() {
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
		plain = measured(*r.plain)
	}
	if r.plain != nil && r.plain.Noticed() {
		plain += fmt.Sprintf(" %s, next read %v", cmp.Or(r.plain.Errno(), r.plain.Err.Error()), r.plain.Next)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%v\t%s\t%s", r.name, predicted, suspect, measured(r.hale),
		cmp.Or(r.hale.Cause(), "-"), cmp.Or(r.hale.Errno(), "-"), r.hale.Timeout(), within, plain)
}

func measured(o peer.Outcome) string {
	if !o.Noticed() {
		return fmt.Sprintf("nothing in %.2f s", o.After.Seconds())
	}
	return fmt.Sprintf("%.2f s", o.After.Seconds())
}

func exact(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
