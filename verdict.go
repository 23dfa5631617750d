package hale

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/errno"
	"example.com/hale/internal/notify"
)

// verdict is what is known about a connection's end, the same for everybody.
type verdict struct {
	// why the connection cannot be used again: its death, or that the peer has
	// closed its side, which a death may still replace. It is final once done
	// is closed.
	why  atomic.Pointer[health.DeadError]
	done chan struct{}

	mu       sync.Mutex // guards changes of all; nobody is called under it
	watchers []*notify.Call[*health.DeadError]
}

// final returns the connection's death, or nil.
func (v *verdict) final() *health.DeadError {
	select {
	case <-v.done:
		return v.why.Load()
	default:
		return nil
	}
}

// settle makes dead the final verdict, unless there is one, and returns what
// is, and who is to be told if this was the first.
func (v *verdict) settle(dead *health.DeadError) (final *health.DeadError, first bool, tell []*notify.Call[*health.DeadError]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if final := v.final(); final != nil {
		return final, false, nil
	}
	v.why.Store(dead)
	close(v.done)
	tell, v.watchers = v.watchers, nil
	return dead, true, tell
}

// note records that the peer has closed its side.
func (v *verdict) note(fin *health.DeadError) (why *health.DeadError, tell []*notify.Call[*health.DeadError]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if why := v.why.Load(); why != nil {
		return why, nil
	}
	v.why.Store(fin)
	return fin, slices.Clone(v.watchers)
}

// watch adds a watcher and returns what it has missed.
func (v *verdict) watch(call *notify.Call[*health.DeadError]) (missed *health.DeadError) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.final() == nil {
		v.watchers = append(v.watchers, call)
	}
	return v.why.Load()
}

func (v *verdict) unwatch(call *notify.Call[*health.DeadError]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watchers = slices.DeleteFunc(v.watchers, func(c *notify.Call[*health.DeadError]) bool { return c == call })
}

// Err returns nil as long as the connection can be used, and then the reason
// why not, a *[health.DeadError]: its death, that it was closed, or that the
// peer has closed its side ([health.PeerClosed]; what the peer has sent can
// still be read then, and writing may still be allowed).
//
// On Linux and Android it is one atomic load, and so the cheapest liveness
// check for any pool. Elsewhere it takes a look at the socket, consuming
// nothing. It never blocks.
func (c *Conn) Err() error {
	if why := c.verdict.why.Load(); why != nil {
		return why
	}
	if kernelNotifies && c.isWatched() {
		return nil
	}
	return c.look()
}

// Done returns a channel that is closed when the connection has died or was
// closed. That the peer has closed its side is neither.
func (c *Conn) Done() <-chan struct{} { return c.verdict.done }

// State returns [health.Dead] once Done is closed, [health.Suspect] while the
// peer leaves something unanswered, and [health.Alive] otherwise.
func (c *Conn) State() health.State {
	switch {
	case c.verdict.final() != nil:
		return health.Dead
	case c.suspect.Load():
		return health.Suspect
	}
	return health.Alive
}

// fail turns an error of the socket into the one to return.
func (c *Conn) fail(err error) error {
	c.meter.Fault()
	if c.missedIt(err) {
		c.awaitVerdict()
	}
	if dead := c.verdict.final(); dead != nil {
		return keep(dead, err)
	}
	if c.shutHere(err) {
		return err
	}
	dead := health.Diagnose(c.TCPConn, err)
	switch {
	case dead != nil:
		return keep(c.end(c.described(*dead)), err)
	case err == io.EOF:
		c.peerClosed(c.described(health.DeadError{Cause: health.PeerClosed, Op: "read", Detected: time.Now(), Err: err}))
	}
	return err
}

// keep returns the verdict, except that a call on a connection which this side
// has closed gets net's own error.
func keep(dead *health.DeadError, err error) error {
	if dead.Cause == health.LocalClosed {
		return err
	}
	return dead
}

// missedIt reports whether err is what follows a death whose real error was
// given to somebody else: another call or the watch, which is about to leave
// its verdict. After the peer's FIN there is none: the kernel gives EPIPE for a
// reset (tcp_reset), and remembers a silence.
func (c *Conn) missedIt(err error) bool {
	if err != io.EOF && errno.Of(err) != errno.Broken || c.wroteFIN.Load() || c.verdict.final() != nil {
		return false
	}
	if why := c.verdict.why.Load(); why != nil && why.Cause == health.PeerClosed {
		return false
	}
	info, ierr := c.Info()
	return ierr == nil && info.State == health.TCPClose
}

// shutHere reports whether err only says that this side has shut down its
// writing. Where the kernel tells, health.Diagnose asks it.
func (c *Conn) shutHere(err error) bool {
	if !c.wroteFIN.Load() || errno.Of(err) != errno.Broken {
		return false
	}
	_, ierr := c.Info()
	return ierr != nil
}

// The wait for a verdict that another goroutine is about to leave is bounded: a
// third of a second, in steps, so that a machine which stood still in between
// does not cut it short. It is used up if there is no such verdict: the watch
// has yet to see a FIN to which a write has drawn a RST, and another write its
// EPIPE.
const (
	verdictSteps = 60
	verdictStep  = 5 * time.Millisecond
)

func (c *Conn) awaitVerdict() {
	tick := time.NewTicker(verdictStep)
	defer tick.Stop()
	for range verdictSteps {
		select {
		case <-c.verdict.done:
			return
		case <-tick.C:
		}
	}
}

// look asks the socket, and keeps what it says.
func (c *Conn) look() error {
	var dead *health.DeadError
	switch {
	case !errors.As(health.Check(c.TCPConn), &dead):
		return nil
	case errors.Is(dead.Err, io.EOF):
		return c.peerClosed(c.described(*dead))
	}
	return c.end(c.described(*dead))
}

// described returns dead with what the connection knows of itself: a copy, for
// others may have dead already.
func (c *Conn) described(dead health.DeadError) *health.DeadError {
	dead.Peer = c.RemoteAddr()
	dead.WindowEarliest, dead.WindowLatest = c.Report().Window()
	return &dead
}

// peerClosed records that the peer has closed its side.
func (c *Conn) peerClosed(fin *health.DeadError) *health.DeadError {
	why, tell := c.verdict.note(fin)
	for _, call := range tell {
		call.Fire(why)
	}
	return why
}

// end makes dead the final verdict, unless there is one, and returns what is.
func (c *Conn) end(dead *health.DeadError) *health.DeadError {
	final, first, tell := c.verdict.settle(dead)
	if !first {
		return final
	}
	if final.Cause != health.LocalClosed {
		c.observer.dead(DeadInfo{Conn: c, Err: final})
	}
	for _, call := range tell {
		call.Fire(final)
	}
	return final
}
