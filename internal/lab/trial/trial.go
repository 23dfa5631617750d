package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/hale/internal/lab/wait"
)

// Options say what happens in a trial. All durations have to be positive.
type Options struct {
	Warm    time.Duration // how long all goes well, before the server vanishes
	Away    time.Duration // from then until the address can be dialled again
	Limit   time.Duration // from the vanishing to the end of the trial, which comes a second later if requests hang
	Workers int           // that send requests at a time, in a session that is under load
	Pause   time.Duration // of a worker, between two requests

	// Idle is how long after the vanishing an idle session sends its first
	// request: longer than the promise, to see whether it knows by then.
	Idle time.Duration
}

// Server is what vanishes.
type Server interface {
	Vanish() error  // everything goes silent
	Replace() error // new connections are served, the old ones stay silent
}

// Load says what a session does while the server vanishes.
type Load string

const (
	Busy Load = "busy" // requests all the time
	Idle Load = "idle" // one before, and the next [Options.Idle] after
)

// Way is a client, dialling in one of the two ways, under one of the two loads.
type Way struct {
	Client Client
	Dial   Dial // nil: the library's own
	Load   Load
}

// Run uses the server at address in all ways at once while it vanishes, and
// returns what happened to each, in their order. The error is why the trial
// could not be made; that a client fails during it is a result.
func Run(ctx context.Context, s Server, address string, ways []Way, o Options) ([]Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sessions := make([]Session, 0, len(ways))
	defer func() {
		for _, session := range sessions {
			_ = session.Close() // to a server that is gone, as likely as not
		}
	}()
	for _, w := range ways {
		session, err := w.Client.Open(ctx, address, w.Dial)
		if err == nil {
			sessions = append(sessions, session)
			err = session.Request(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("trial: %s: %w", w.Client.Name, err)
		}
	}
	return use(ctx, s, ways, sessions, o)
}

// patience is for requests that are under way when the trial ends: those of a
// session that is well take less.
const patience = time.Second

// course is how far a trial has come, as its workers see it.
type course struct {
	asking   context.Context // until no request is sent any more
	waiting  context.Context // until requests are cut short
	vanished chan struct{}   // closed when the server has vanished
}

// use runs the workers of all sessions beside the fate of the server.
func use(ctx context.Context, s Server, ways []Way, sessions []Session, o Options) ([]Result, error) {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	waiting, cut := context.WithCancel(ctx)
	defer cut()
	c := course{asking: asking, waiting: waiting, vanished: make(chan struct{})}
	logs := make([]log, len(ways))
	var workers sync.WaitGroup
	for i, w := range ways {
		if w.Load == Idle {
			workers.Go(func() { logs[i].onceSilent(c, sessions[i], o) })
			continue
		}
		for range o.Workers {
			workers.Go(func() { logs[i].keepAsking(c, sessions[i], o) })
		}
	}
	at, err := fate(ctx, s, c.vanished, o)
	stop()
	defer time.AfterFunc(patience, cut).Stop()
	workers.Wait()
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(ways))
	for i, w := range ways {
		results[i] = logs[i].result(w, at)
	}
	return results, nil
}

// fate is what happens to the server. It returns when it vanished.
func fate(ctx context.Context, s Server, vanished chan<- struct{}, o Options) (at time.Time, err error) {
	if err := wait.Sleep(ctx, o.Warm); err != nil {
		return at, err
	}
	if err := s.Vanish(); err != nil {
		return at, err
	}
	at = time.Now()
	close(vanished)
	if err := wait.Sleep(ctx, o.Away); err != nil {
		return at, err
	}
	if err := s.Replace(); err != nil {
		return at, err
	}
	return at, wait.Sleep(ctx, o.Limit-o.Away)
}

// Validate says which option cannot be.
func (o Options) Validate() error {
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"Warm", o.Warm}, {"Away", o.Away}, {"Limit", o.Limit}, {"Pause", o.Pause}, {"Idle", o.Idle}} {
		if f.value <= 0 {
			return fmt.Errorf("trial: Options.%s is %v: has to be positive", f.name, f.value)
		}
	}
	if o.Workers < 1 {
		return fmt.Errorf("trial: Options.Workers is %d: below 1", o.Workers)
	}
	if o.Limit <= o.Away || o.Limit <= o.Idle {
		return errors.New("trial: Options.Limit has to be above Away and Idle")
	}
	return nil
}
