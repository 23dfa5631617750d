// Package syscalls counts the system calls that a piece of code makes: this program
// is started again, plays a part, and is traced meanwhile (ptrace(2)), so that
// nothing has to be installed.
package syscalls

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"example.com/hale/internal/rigs/bench/figure"
)

// partEnv has the part that a process plays, and its argument.
const partEnv = "HALE_BENCH_TRACED"

// A Window is how often each call was made from its begin to its end; calls with
// options have those in their name.
type Window map[string]int

// A Part is what a traced process does: what it calls within count, which returns
// when that has, is a Window.
type Part func(argument string, count func(func())) error

// Be plays a part, and ends the process with it, if it was started for that. It
// comes first in main.
func Be(parts map[string]Part) {
	name, argument, found := strings.Cut(os.Getenv(partEnv), " ")
	if !found {
		return
	}
	err := errors.New("there is no such part")
	if part := parts[name]; part != nil {
		err = part(argument, mark)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Typical is the median of each call over all windows, those left out that it is
// zero of: a call of the runtime's own now and then is none of the code's.
func Typical(windows []Window) Window {
	typical := Window{}
	for _, name := range names(windows) {
		var s figure.Sample
		for _, w := range windows {
			s = append(s, float64(w[name]))
		}
		if n := int(s.Median() + 0.5); n > 0 {
			typical[name] = n
		}
	}
	return typical
}

func names(windows []Window) []string {
	all := map[string]bool{}
	for _, w := range windows {
		for name := range w {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Total is how many calls there are in all.
func (w Window) Total() (n int) {
	for _, calls := range w {
		n += calls
	}
	return n
}

// String lists the calls by name, as "read, 2 × setsockopt TCP_KEEPIDLE".
func (w Window) String() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if n := w[name]; n > 1 {
			name = fmt.Sprintf("%d × %s", n, name)
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}
