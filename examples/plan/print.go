package main

import (
	"fmt"
	"io"
	"time"

	"example.com/hale/sockopt"
)

func printText(out io.Writer, p sockopt.Plan, held *sockopt.Report) {
	alone := p
	alone.Watched = false
	fmt.Fprintf(out, "platform    %s\npath        %s\nasked       %s\n", p.Platform, p.Path, p.Asked)
	printList(out, "operations", p.Ops)
	fmt.Fprintf(out, "effective   %s\nwindow      %s\n", p.Effective, window(p.Effective, p.Window, alone.Window))
	printList(out, "unsupported, or not as it reads", p.Unsupported)
	if held != nil {
		printList(out, "set on a real connection, and read back", held.Options[:])
		alone := *held
		alone.Watched = false
		fmt.Fprintf(out, "held        %s\nwindow      %s\n", held.Got, window(held.Got, held.Window, alone.Window))
	}
}

func printList[T any](out io.Writer, title string, list []T) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(out, title)
	for _, line := range list {
		fmt.Fprintf(out, "  %v\n", line)
	}
}

// window says when an idle connection's dead peer is noticed, which the kernel
// alone may do later.
func window(k sockopt.KeepAlive, of, alone func() (earliest, latest time.Duration)) string {
	earliest, latest := of()
	_, kernel := alone()
	switch {
	case latest < kernel:
		return fmt.Sprintf("%v to %v after an idle peer has vanished, by the watch of a hale.Conn; by the kernel alone %v", earliest, latest, kernel)
	case latest == sockopt.Never:
		return "never: a dead peer is not noticed while the connection is idle"
	case latest == 0:
		return "unknown: it depends on values of the system that are not documented"
	case k.Idle <= 0 || k.Interval <= 0 || k.Count <= 0:
		return fmt.Sprintf("%v to %v, with the system's own values as documented", earliest, latest)
	}
	return fmt.Sprintf("%v to %v after an idle peer has vanished: %v idle, then %d probes, one each %v",
		earliest, latest, k.Idle, probes(k, earliest), k.Interval)
}

// probes is the count, or how many the user timeout leaves of it.
func probes(k sockopt.KeepAlive, earliest time.Duration) int {
	return int(earliest / k.Interval)
}
