// Frozenpeer measures how long a dead peer goes unnoticed, on the real kernel
// and against the prediction. A server sends 4 bytes, a client made by
// hale.Dialer reads them and blocks in a second Read, the peer is frozen, and
// the clock runs until that Read fails. A connection made by a plain
// net.Dialer goes through the same beside it.
//
//	go run ./examples/frozenpeer
//	go run ./examples/frozenpeer -idle 1s -interval 3s -count 10
//	go run ./examples/frozenpeer -idle 20s -interval 50s -count 1 -freeze-after 10s
//	go run ./examples/frozenpeer -scenario all
//
// It needs Linux, and root or the right to make a user namespace; with -addr,
// where the user freezes the server, it needs neither.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"example.com/hale/internal/lab/peer"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/timeline"
)

func main() {
	peer.Be() // and no more, in the process that is the peer of scenario stopped
	program.Main("frozenpeer", func(ctx context.Context, args []string) error {
		o, err := parse(args, os.Stdout)
		if err != nil {
			return err
		}
		// A server elsewhere would be out of reach in there.
		if o.addr == "" {
			if err := program.Isolate(); err != nil {
				return fmt.Errorf("%w (-addr measures against a server that you freeze yourself)", err)
			}
		}
		return run(ctx, o, os.Stdout)
	})
}

var errMissed = errors.New("a measurement lies outside of its prediction")

// run measures all scenarios at once, and prints the results. What happens to
// the only one is printed when it happens.
func run(ctx context.Context, o options, out io.Writer) error {
	line := &timeline.Timeline{Out: out}
	if o.json || len(o.scenarios) > 1 {
		line.Out = io.Discard
	}
	results := make([]result, len(o.scenarios))
	var measurements []func(context.Context) error
	for i, s := range o.scenarios {
		measurements = append(measurements, func(ctx context.Context) (err error) {
			results[i], err = measure(ctx, o, s, line)
			return err
		})
	}
	if err := program.Together(ctx, measurements...); err != nil {
		return err
	}
	if err := o.print(out, results); err != nil {
		return err
	}
	for _, r := range results {
		if !r.holds() {
			return errMissed
		}
	}
	return nil
}

func (o options) print(out io.Writer, results []result) error {
	if o.json {
		return program.PrintJSON(out, records(results)...)
	}
	return printTable(out, results)
}
