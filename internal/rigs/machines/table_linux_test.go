package machines

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// table is what was measured, in all experiments of this process.
var table report

type report struct {
	mu   sync.Mutex // guards what follows
	rows []row
}

type row struct{ experiment, what, predicted, measured string }

func (r *report) add(experiment, what, predicted, measured string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, row{experiment, what, predicted, measured})
}

// print prints it as Markdown, sorted by experiment, each in the order in which it
// was measured.
func (r *report) print(out io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		return
	}
	slices.SortStableFunc(r.rows, func(a, b row) int { return strings.Compare(a.experiment, b.experiment) })
	fmt.Fprintf(out, "\n| experiment | what | predicted | measured |\n|---|---|---|---|\n")
	for _, row := range r.rows {
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", row.experiment, row.what, row.predicted, row.measured)
	}
	fmt.Fprintln(out)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
