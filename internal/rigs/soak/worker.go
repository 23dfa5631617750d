package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/wait"
	"example.com/hale/pool"
)

// A load is what the workers share.
type load struct {
	options
	pool     *pool.Pool[*session]
	account  *account
	findings *findings
	tally    *tally
	history  *history

	// gate is held for reading during a request, and for writing while nobody
	// is to ask anything.
	gate sync.RWMutex
}

// A worker sends one request after another.
type worker struct {
	*load
	id      int
	rand    *rand.Rand
	waiting time.Time // since when it has had no good reply to a patient request; zero while it has
}

// A way is how a worker uses the pool for a request.
type way int

const (
	plain      way = iota // Do
	idempotent            // Do, under Idempotent
	byHand                // Acquire and Release, or Close
	impatient             // Do, with a deadline of milliseconds: the reply may come when nobody waits for it any more
)

// ways has one for each of twenty requests.
var ways = [20]way{16: idempotent, 17: byHand, 18: byHand, 19: impatient}

func (l *load) start(ctx context.Context, wg *sync.WaitGroup) {
	for i := range l.workers {
		w := worker{load: l, id: i, rand: rand.New(rand.NewPCG(l.seed, uint64(i)+1))}
		wg.Go(func() { w.work(ctx) })
	}
}

// work asks until ctx ends. A request that is under way then goes on to its
// own end.
func (w *worker) work(ctx context.Context) {
	for ctx.Err() == nil {
		w.gate.RLock()
		w.request()
		w.gate.RUnlock()
		_ = wait.Sleep(ctx, w.pause())
	}
	if !w.waiting.IsZero() {
		w.tally.wait(span{w.waiting, time.Now()})
	}
}

// pause is until the next request. Every other worker rests now and then, so
// that there are idle connections, and callers that come when others wait
// already. One that waits for a good reply does not rest.
func (w *worker) pause() time.Duration {
	if w.id%2 == 1 && w.waiting.IsZero() && w.rand.IntN(20) == 0 {
		return w.upTo(6 * time.Second)
	}
	return w.upTo(20 * time.Millisecond)
}

func (w *worker) upTo(d time.Duration) time.Duration { return time.Duration(w.rand.Int64N(int64(d))) }

// request sends one and enters how it went.
func (w *worker) request() {
	how, patience := ways[w.rand.IntN(len(ways))], w.deadline()
	if how == impatient {
		patience = w.upTo(2 * mostWork)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	f := frame{number: w.account.begin(w.id, how == idempotent), size: w.size(), want: w.size()}
	start := time.Now()
	if how != impatient && w.waiting.IsZero() {
		w.waiting = start
	}
	o, err := w.send(ctx, how, f)
	end := time.Now()
	if how != impatient { // for one of milliseconds, every dial may take too long
		w.explain(f, span{start, end}, err)
	}
	w.account.end(f.number, o)
	w.tally.asked(end.Sub(start), err, how == impatient)
	if o == replied && !w.waiting.IsZero() {
		w.tally.wait(span{w.waiting, end})
		w.waiting = time.Time{}
	}
	if took := end.Sub(start); took > patience+tolerance+w.history.stood(span{start, end}) {
		w.findings.add(checkEnds, "%v took %.2f s, its deadline was %.2f s", number(f.number), took.Seconds(), patience.Seconds())
	}
	if wrong, ok := errors.AsType[*wrongFrame](err); ok {
		w.findings.add(checkMatched, "%v", wrong)
	}
}

// size is that of a body: most are small, and a few more than a closed window
// takes.
func (w *worker) size() uint32 {
	most := 16
	switch n := w.rand.IntN(100); {
	case n == 0:
		most = 16 << 10
	case n < 10:
		most = 1 << 10
	}
	return 8 * uint32(w.rand.IntN(most+1))
}

// send sends the request as told, and says what became of it.
func (w *worker) send(ctx context.Context, how way, f frame) (outcome, error) {
	var err error
	var safe bool
	switch how {
	case byHand:
		safe, err = w.byHand(ctx, f)
	case idempotent:
		ctx = pool.Idempotent(ctx)
		fallthrough
	default:
		start := time.Now()
		err = w.pool.Do(ctx, func(ctx context.Context, s *session) error { return w.exchange(ctx, s, f, start) })
		safe = pool.SafeToRetry(err)
	}
	switch {
	case err == nil:
		return replied, nil
	case safe:
		return unsent, err
	}
	return failed, err
}

// byHand is Do without its help. The request is sent again as long as nothing
// of it can have left.
func (w *worker) byHand(ctx context.Context, f frame) (safe bool, err error) {
	for {
		start := time.Now()
		c, err := w.pool.Acquire(ctx)
		if err != nil {
			return pool.SafeToRetry(err), err
		}
		err = w.exchange(ctx, c.Value(), f, start)
		if err == nil {
			c.Release()
			return false, nil
		}
		untouched := c.Untouched()
		c.Close()
		if !untouched || !health.IsDead(err) || ctx.Err() != nil {
			return untouched, err
		}
		w.tally.retried()
	}
}

// longDead is more than a busy machine lets pass between a look at a connection
// and its use.
const longDead = time.Second

// exchange is one attempt, on a session that was asked for at a time.
func (w *worker) exchange(ctx context.Context, s *session, f frame, since time.Time) error {
	if c, ok := hale.From(s.conn); ok {
		w.lives(f, c.Err())
	}
	w.account.attempt(f.number)
	end, _ := ctx.Deadline()
	s.since = since
	return s.exchange(end, f)
}

// lives looks at the error of a connection that was handed out.
func (w *worker) lives(f frame, err error) {
	dead, ok := errors.AsType[*health.DeadError](err)
	if !ok {
		return
	}
	now := time.Now()
	if since := now.Sub(dead.Detected) - w.history.stood(span{dead.Detected, now}); since > longDead {
		w.findings.add(checkDead, "%v got one that had been dead for %.2f s: %v", number(f.number), since.Seconds(), dead)
	}
}

// explain looks whether a request that failed since there was no server to be
// reached had cause to; an outage has to have one itself.
func (w *worker) explain(f frame, s span, err error) {
	if errors.Is(err, pool.ErrUnavailable) && !w.history.any(s, unreached) {
		w.findings.add(checkOutages, "%v failed after %.2f s, and no server was mute: %v", number(f.number), s.to.Sub(s.from).Seconds(), err)
	}
}
