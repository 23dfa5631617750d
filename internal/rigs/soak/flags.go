package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"example.com/hale/internal/lab/program"
	"example.com/hale/sockopt"
)

type options struct {
	total   time.Duration
	seed    uint64
	workers int
	within  time.Duration
	kinds   []kind
	fast    bool
	json    bool
}

const (
	leastTotal  = 10 * time.Second
	mostWorkers = 1000
)

var exits = program.Exits{
	program.Held:        "all checks held",
	program.Missed:      "a check failed, and the last lines name it; or the run failed",
	program.Cannot:      "this machine cannot freeze a server",
	program.Interrupted: "interrupted, and all checks held until then",
}

func parse(args []string, out io.Writer) (o options, err error) {
	fs := program.NewFlags("soak", exits)
	fs.DurationVar(&o.total, "for", time.Minute, "`time` of load, at least 10s; a minute has all kinds of faults, as a rule")
	fs.Uint64Var(&o.seed, "seed", 1, "`number` that the faults are a function of")
	fs.IntVar(&o.workers, "workers", 32, "`number` of workers, 1 to 1000, that share three connections for every four")
	fs.DurationVar(&o.within, "within", 3*time.Second, "`time` within which connections notice a dead peer, as sockopt.Within has it")
	fs.Func("faults", "`kinds` of faults, with commas between (default all)", o.choose)
	fs.BoolVar(&o.fast, "failfast", false, "requests fail at once while no server can be reached, as pool.Config.FailFast has it")
	fs.BoolVar(&o.json, "json", false, "print one JSON object and nothing else")
	o.kinds = kinds
	err = fs.Parse(args, out, o.check)
	return o, err
}

// choose takes the names of kinds.
func (o *options) choose(names string) error {
	o.kinds = nil
	for name := range strings.SplitSeq(names, ",") {
		if !slices.Contains(kinds, kind(name)) {
			return fmt.Errorf("no fault is called %q", name)
		}
		o.kinds = append(o.kinds, kind(name))
	}
	return nil
}

func (o *options) check() error {
	if err := program.AtLeast(program.Least{Flag: "for", Value: o.total, Least: leastTotal}); err != nil {
		return err
	}
	if o.workers < 1 || o.workers > mostWorkers {
		return fmt.Errorf("-workers %d: not 1 to %d", o.workers, mostWorkers)
	}
	_, err := sockopt.Current().Plan(sockopt.Within(o.within))
	return err
}

// conns is the size of the pool: not everybody gets a connection at once.
func (o options) conns() int { return max(1, o.workers*3/4) }

// deadline is how long a request may take. It is longer than the promise:
// the connection is to say what is wrong, not the clock.
func (o options) deadline() time.Duration { return o.within + 3*time.Second }

const (
	dialTimeout  = 2 * time.Second
	longestPause = 1500 * time.Millisecond // between two attempts to reconnect
	tolerance    = 2 * time.Second         // for a busy machine
)

// longestSilence is how long a connection may be silent before it is dead: the
// promise, and something for a busy machine.
func (o options) longestSilence() time.Duration { return o.within + tolerance/2 }

// patience is how long a worker may go without a good reply while the server
// that the name leads to is well: its request may hang on a connection to
// where the name led before, and the next may wait for a dial.
func (o options) patience() time.Duration {
	return o.deadline() + dialTimeout + longestPause + tolerance
}
