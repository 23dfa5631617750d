// Package comparison puts client libraries through the vanishing of their
// server, each by its own dialer and by hale's, and tells what their users saw.
package comparison

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial"
	"example.com/hale/sockopt"
)

// Options say what is promised and what happens.
type Options struct {
	Promise time.Duration // of hale's connections, as [sockopt.Within] has it
	Away    time.Duration // from the vanishing of a server until its address can be dialled again
	Limit   time.Duration // from the vanishing to the end
	Workers int           // for each busy client
}

// Trial is the options of each server's trial.
func (o Options) Trial() trial.Options {
	return trial.Options{
		Warm: time.Second, Away: o.Away, Limit: o.Limit,
		Workers: o.Workers, Pause: 50 * time.Millisecond, Idle: o.Promise + time.Second,
	}
}

// A Server is a server and those who use it.
type Server struct {
	Start   func(context.Context) (*service.Server, error)
	Clients func() []trial.Client
}

// A Row is what happened to a client. Each pair is by its own dialer and by
// hale's.
type Row struct {
	server, client string
	busy, idle     pair
}

type pair struct{ own, hale trial.Result }

// Measure puts the clients of all servers through their trials, all at once.
// The first failure ends all. Servers whose program is missing are skipped.
func Measure(ctx context.Context, o Options, servers []Server) (rows []Row, skipped []string, err error) {
	parts := make([][]Row, len(servers))
	absent := make([]string, len(servers))
	var trials []func(context.Context) error
	for i, s := range servers {
		trials = append(trials, func(ctx context.Context) (err error) {
			parts[i], err = s.measure(ctx, o)
			if errors.Is(err, service.ErrAbsent) {
				absent[i] = err.Error()
				return nil
			}
			return program.Freezing(err)
		})
	}
	err = program.Together(ctx, trials...)
	absent = slices.DeleteFunc(absent, func(s string) bool { return s == "" })
	return slices.Concat(parts...), absent, err
}

// measure starts the server, and puts its clients through one trial.
func (s Server) measure(ctx context.Context, o Options) (rows []Row, err error) {
	running, err := s.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, running.Close()) }()
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(o.Promise), Strict: true}
	var ways []trial.Way
	for _, c := range s.Clients() {
		for _, load := range []trial.Load{trial.Busy, trial.Idle} {
			ways = append(ways, trial.Way{Client: c, Load: load}, trial.Way{Client: c, Load: load, Dial: dialer.DialContext})
		}
	}
	results, err := trial.Run(ctx, running, running.Addr, ways, o.Trial())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", running.Name, err)
	}
	for r := range slices.Chunk(results, 4) {
		rows = append(rows, Row{
			server: running.Name, client: r[0].Client.Name,
			busy: pair{own: r[0], hale: r[1]}, idle: pair{own: r[2], hale: r[3]},
		})
	}
	return rows, nil
}
