package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"example.com/hale"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial"
	"example.com/hale/sockopt"
)

// A row is what happened to a client. Each pair is by its own dialer and by
// hale's.
type row struct {
	server, client string
	busy, idle     pair
}

type pair struct{ own, hale trial.Result }

// run compares, prints what it found to out, and what it skipped to notes.
func run(ctx context.Context, o options, servers []server, out, notes io.Writer) error {
	rows, skipped, err := measure(ctx, o, servers)
	if ctx.Err() != nil {
		return failure{errors.New("interrupted"), exitInterrupted}
	}
	if err != nil {
		return err
	}
	for _, s := range skipped {
		fmt.Fprintln(notes, "compare: skipped:", s)
	}
	if o.json {
		return printJSON(out, o, rows, skipped)
	}
	return printTable(out, o, rows)
}

// measure puts the clients of all servers through their trials, all at once.
// The first failure ends all. Servers whose program is missing are skipped.
func measure(parent context.Context, o options, servers []server) (rows []row, skipped []string, err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	parts := make([][]row, len(servers))
	absent := make([]string, len(servers))
	var trials sync.WaitGroup
	for i, s := range servers {
		trials.Go(func() {
			var err error
			switch parts[i], err = s.measure(ctx, o); {
			case errors.Is(err, service.ErrAbsent):
				absent[i] = err.Error()
			case errors.Is(err, os.ErrPermission), errors.Is(err, errors.ErrUnsupported):
				cancel(cannot(err))
			case err != nil:
				cancel(err)
			}
		})
	}
	trials.Wait()
	absent = slices.DeleteFunc(absent, func(s string) bool { return s == "" })
	return slices.Concat(parts...), absent, context.Cause(ctx)
}

// measure starts the server, and puts its clients through one trial.
func (s server) measure(ctx context.Context, o options) (rows []row, err error) {
	running, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, running.Close()) }()
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(o.promise), Strict: true}
	var ways []trial.Way
	for _, c := range s.clients() {
		for _, load := range []trial.Load{trial.Busy, trial.Idle} {
			ways = append(ways, trial.Way{Client: c, Load: load}, trial.Way{Client: c, Load: load, Dial: dialer.DialContext})
		}
	}
	results, err := trial.Run(ctx, running, running.Addr, ways, o.trial())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", running.Name, err)
	}
	for r := range slices.Chunk(results, 4) {
		rows = append(rows, row{
			server: running.Name, client: r[0].Client.Name,
			busy: pair{own: r[0], hale: r[1]}, idle: pair{own: r[2], hale: r[3]},
		})
	}
	return rows, nil
}
