package trial

import (
	"slices"
	"sync"
	"time"

	"example.com/hale/internal/lab/wait"
)

// log is what the workers of one session saw.
type log struct {
	mu       sync.Mutex // guards requests
	requests []request
}

// request is one call of Session.Request.
type request struct {
	start, end time.Time
	err        error
	cut        bool // still without an answer at the end of the trial
}

func (l *log) keepAsking(c course, s Session, o Options) {
	for l.ask(c, s) && wait.Sleep(c.asking, o.Pause) == nil {
	}
}

func (l *log) onceSilent(c course, s Session, o Options) {
	select {
	case <-c.asking.Done():
		return
	case <-c.vanished:
	}
	if wait.Sleep(c.asking, o.Idle) == nil {
		l.keepAsking(c, s, o)
	}
}

// ask reports whether the trial goes on.
func (l *log) ask(c course, s Session) bool {
	r := request{start: time.Now()}
	r.err = s.Request(c.waiting)
	r.end = time.Now()
	r.cut = c.waiting.Err() != nil && r.err != nil
	l.mu.Lock()
	l.requests = append(l.requests, r)
	l.mu.Unlock()
	return c.asking.Err() == nil
}

// Result is what the users of a session saw.
type Result struct {
	Way

	Requests int           // answered, with a reply
	Stall    time.Duration // the longest that a request took, or has taken until it was cut short
	Hung     int           // requests without an answer when the trial ended, which cut them short
	Errors   []error       // of the others, in the order of their ends

	// Noticed is the time from the vanishing to the first error, and
	// Recovered that to the first reply to a request that was sent
	// after it; 0 if there was none.
	Noticed, Recovered time.Duration
}

func (l *log) result(w Way, vanished time.Time) Result {
	res := Result{Way: w}
	slices.SortFunc(l.requests, func(a, b request) int { return a.end.Compare(b.end) })
	for _, r := range l.requests {
		res.Stall = max(res.Stall, r.end.Sub(r.start))
		switch {
		case r.cut:
			res.Hung++
		case r.err != nil:
			res.Errors = append(res.Errors, r.err)
			if res.Noticed == 0 {
				res.Noticed = max(r.end.Sub(vanished), 0)
			}
		default:
			res.Requests++
			if res.Recovered == 0 && r.start.After(vanished) {
				res.Recovered = r.end.Sub(vanished)
			}
		}
	}
	return res
}
