package pool

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// What Acquire fails with after a wait tells how things were when the wait ended.
// The text is made only if somebody asks for it.

// unavailableError is an Acquire that failed while the endpoint was down.
type unavailableError struct {
	name string // of the pool
	progress
	lasts time.Duration // the outage, so far; 0 if none runs
	cause string        // the first death of the outage was of, or empty
	dial  error         // the last dial's; nil if none has ended
	ctx   error         // the caller's, if that ended the wait
}

func (e *unavailableError) Error() string {
	var b strings.Builder
	b.WriteString(poolName(e.name) + ": endpoint unavailable")
	if e.lasts > 0 {
		b.WriteString(" for " + inSeconds(e.lasts))
	}
	if e.cause != "" {
		b.WriteString(" (" + e.cause + ")")
	}
	b.WriteString(e.progress.text())
	if e.ctx != nil {
		b.WriteString(": " + e.ctx.Error())
	}
	if e.dial == nil {
		return b.String() + ": no dial has ended"
	}
	return b.String() + ": last dial: " + e.dial.Error()
}

func (e *unavailableError) Unwrap() []error {
	return slices.DeleteFunc([]error{ErrUnavailable, e.dial, e.ctx}, func(err error) bool { return err == nil })
}

// SafeToRetry is true: nothing was sent.
func (e *unavailableError) SafeToRetry() bool { return true }

// progress is how far the work of reconnecting has come.
type progress struct {
	made  int           // the last one's number; 0 before the first
	tried bool          // it has ended
	next  time.Duration // until the one after it; 0 if that is not known
}

func (p progress) text() (text string) {
	if p.made > 0 {
		text = ", attempt " + strconv.Itoa(p.made)
		if !p.tried {
			text += " under way"
		}
	}
	if p.next > 0 {
		text += ", next in " + inSeconds(p.next)
	}
	return text
}

// waitError is an Acquire whose ctx ended while the endpoint was not down.
type waitError struct {
	name                              string
	inUse, maxConns, dialing, waiting int   // waiting includes the Acquire
	progress                                // of who dials although the endpoint takes no more
	dial                              error // what the last such dial failed with, or nil
	ctx                               error
}

func (e *waitError) Error() string {
	text := poolName(e.name) + ": " + strconv.Itoa(e.inUse) + " of " + strconv.Itoa(e.maxConns) + " in use"
	if e.dialing > 0 {
		text += ", " + strconv.Itoa(e.dialing) + " dialing"
	}
	text += ", " + strconv.Itoa(e.waiting) + " waiting" + e.progress.text() + ": " + e.ctx.Error()
	if e.dial != nil {
		text += ": last dial: " + e.dial.Error()
	}
	return text
}

func (e *waitError) Unwrap() error { return e.ctx }

// SafeToRetry is true: nothing was sent.
func (e *waitError) SafeToRetry() bool { return true }

// poolName begins the text of an error.
func poolName(name string) string {
	if name == "" {
		return "pool"
	}
	return "pool " + name
}

// inSeconds is d as a person wants to read it.
func inSeconds(d time.Duration) string {
	unit := 100 * time.Millisecond
	if d < time.Second {
		unit = 10 * time.Millisecond
	}
	return strconv.FormatFloat(d.Round(unit).Seconds(), 'f', -1, 64) + " s"
}

// waitError is why a caller's wait ended in nothing.
func (p *Pool[T]) waitError(ctxErr error) error {
	well, inUse := p.conns.used()
	return p.dialer.waitError(waitError{name: p.config.Name, inUse: inUse, waiting: int(p.waiting.Load()), ctx: ctxErr}, well)
}

// failFast is the error of those who do not want to wait, or nil.
func (p *Pool[T]) failFast() error {
	if !p.config.FailFast {
		return nil
	}
	return p.dialer.unavailable(p.config.Name)
}

// used is how many connections are neither on their way out nor quarantined, and
// how many a caller has.
func (c *conns[T]) used() (well, inUse int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.all {
		w := s.load()
		if w.held() {
			inUse++
		}
		if w&unfit == 0 && w.state() != quarantined {
			well++
		}
	}
	return well, inUse
}

// unavailable is the error of those who do not want to wait while the endpoint
// is down, or nil if it is not.
func (d *dialer) unavailable(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.current; d.state == down && o != nil && o.Dial != nil {
		return d.down(name, nil)
	}
	return nil
}

// waitError is why a wait ended in nothing, with so many connections that are well;
// how is what the dialer does not know of it.
func (d *dialer) waitError(how waitError, well int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != nil || d.dialing > 0 && well == 0 { // the first dial hangs
		return d.down(how.name, how.ctx)
	}
	how.maxConns, how.dialing = d.most(), d.dialing
	if d.state != up {
		how.progress, how.dial = d.progress(), d.refusal.err
	}
	return &how
}

// down tells of an endpoint that is not reached. The caller holds mu.
func (d *dialer) down(name string, ctxErr error) error {
	e := &unavailableError{name: name, ctx: ctxErr, progress: d.progress()}
	if o := d.current; o != nil {
		e.lasts, e.dial = time.Since(o.Began), o.Dial
		if o.Death != nil {
			e.cause = o.Death.Cause.String()
		}
	}
	return e
}

// progress is how far the work of reconnecting has come, if there is any.
func (r *reconnector) progress() progress {
	if r.state == up {
		return progress{}
	}
	return progress{made: r.attempt, tried: !r.trying, next: max(0, time.Until(r.nextAt))}
}
