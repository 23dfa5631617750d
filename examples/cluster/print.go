package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/pool/cluster"
)

// A report is what became of the load.
type report struct {
	options
	loadtest.Result
	Duplicated   int
	resent       int // although the server may have had them
	lateFailures int // that began when A was known to be down
	afterDrain   int // replies of B, after it was drained
	phases       []phase
	stats        cluster.Stats
}

// print prints who replied how often, and what else there is to know.
func (r report) print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nreplies of\tA\tB\tC\tD\t")
	for _, p := range r.phases {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t\n", p.name, p.by["A"], p.by["B"], p.by["C"], p.by["D"])
	}
	t.Flush()
	_, err := fmt.Fprintf(out, `
requests %d, failed %d (at most %d can have been under way to A), retried %d (%d of them after a byte had left)
duplicated %d, crossed %d, dead handed out %d
longest stall %.2f s, promised is at most %v
tried in vain and gone on %d, callers that were not served at once %d
`,
		r.Requests, r.Failed, len(pauses), r.stats.Retries, r.resent, r.Duplicated, r.Crossed, r.DeadHandedOut,
		r.LongestStall.Seconds(), r.within+tolerance, r.stats.Hops, r.stats.Waits)
	return err
}
