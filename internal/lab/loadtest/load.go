package loadtest

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/hale/health"
)

// A Load is workers that send one request after another, each to be answered
// before the next.
type Load struct {
	// Pauses has one for each worker: its time between two requests.
	Pauses []time.Duration

	// Use runs fn on a connection of a pool, as pool.Pool.Do does.
	Use func(ctx context.Context, fn func(net.Conn) error) error

	// Replied, if it is not nil, is told of every good reply, by the worker.
	Replied func(Reply)
}

// Reply is a good reply.
type Reply struct {
	Conn         net.Conn // it came by
	Asked, Taken time.Time
}

// Result is what became of a load.
type Result struct {
	Requests   int
	Replied    int
	Failed     int                  // ended by an error, Crossed among them
	Causes     map[health.Cause]int // of Failed, as [health.Classify] has them
	Crossed    int                  // replies to another request
	Unanswered int                  // nothing had come when the load was stopped and the pool aborted

	// DeadHandedOut counts the connections that the kernel had given up, or
	// that said so themselves, at the moment a worker got them.
	DeadHandedOut int

	// LongestStall is the longest time that any one worker had to do without a
	// good reply: from the start, or its last, to the next, or to Stop.
	LongestStall time.Duration
}

// A Run is a load at work.
type Run struct {
	load    Load
	start   time.Time
	numbers atomic.Uint64
	stop    chan struct{}
	aborted atomic.Bool
	workers []worker
	wg      sync.WaitGroup
}

// worker is one worker's own account.
type worker struct {
	Result
	last time.Time
}

// Start starts the workers. They run until Stop.
func (l Load) Start() *Run {
	r := &Run{load: l, start: time.Now(), stop: make(chan struct{}), workers: make([]worker, len(l.Pauses))}
	for i := range r.workers {
		r.wg.Go(func() { r.work(&r.workers[i], l.Pauses[i]) })
	}
	return r
}

// stopGrace is how long the requests under way have to end by themselves.
const stopGrace = 500 * time.Millisecond

// Stop ends the load, once, and returns its result. If requests are still
// under way after half a second it calls abort, which has to make them fail:
// they are Unanswered.
func (r *Run) Stop(abort func()) Result {
	stopped := time.Now()
	close(r.stop)
	hung := time.AfterFunc(stopGrace, func() {
		r.aborted.Store(true)
		abort()
	})
	r.wg.Wait()
	hung.Stop()
	total := Result{Causes: make(map[health.Cause]int)}
	for i := range r.workers {
		w := &r.workers[i]
		w.stall(stopped)
		total.add(w.Result)
	}
	return total
}

func (r *Run) work(w *worker, pause time.Duration) {
	w.last, w.Causes = r.start, make(map[health.Cause]int)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !r.stopped(timer.C) {
		r.request(w)
		timer.Reset(pause)
	}
}

// stopped waits for the end of the pause or of the load, which goes first.
func (r *Run) stopped(pause <-chan time.Time) bool {
	select {
	case <-r.stop:
		return true
	case <-pause:
	}
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// request sends one request and enters how it went.
func (r *Run) request(w *worker) {
	number, reply := r.numbers.Add(1), Reply{Asked: time.Now()}
	w.Requests++
	err := r.load.Use(context.Background(), func(c net.Conn) error {
		if dead(c) {
			w.DeadHandedOut++
		}
		reply.Conn = c
		return Exchange(c, number)
	})
	reply.Taken = time.Now()
	switch {
	case err == nil:
		w.Replied++
		w.stall(reply.Taken)
		if r.load.Replied != nil {
			r.load.Replied(reply)
		}
	case r.aborted.Load():
		w.Unanswered++
	default:
		w.fail(err)
	}
}

func (w *worker) fail(err error) {
	w.Failed++
	w.Causes[health.Classify(err)]++
	if _, crossed := errors.AsType[*CrossedError](err); crossed {
		w.Crossed++
	}
}

// stall ends the time without a reply.
func (w *worker) stall(now time.Time) {
	w.LongestStall = max(w.LongestStall, now.Sub(w.last))
	w.last = now
}

func (r *Result) add(other Result) {
	r.Requests += other.Requests
	r.Replied += other.Replied
	r.Failed += other.Failed
	r.Crossed += other.Crossed
	r.Unanswered += other.Unanswered
	r.DeadHandedOut += other.DeadHandedOut
	r.LongestStall = max(r.LongestStall, other.LongestStall)
	for cause, n := range other.Causes {
		r.Causes[cause] += n
	}
}

// dead reports whether c says of itself that it is dead, as hale.Conn does, or
// the kernel says it, which nobody else is asked for here.
func dead(c net.Conn) bool {
	if k, ok := c.(interface{ Err() error }); ok && k.Err() != nil {
		return true
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	info, err := health.Inspect(raw)
	switch {
	case errors.Is(err, net.ErrClosed):
		return true
	case err != nil:
		return false // this system does not tell
	}
	return info.State == health.TCPClose || info.State == health.TCPCloseWait
}
