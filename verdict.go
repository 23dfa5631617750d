package hale

import (
	"cmp"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/errno"
	"example.com/hale/internal/giveway"
	"example.com/hale/internal/notify"
	"example.com/hale/internal/rawconn"
)

// verdict is what is known about a connection's end, the same for everybody.
type verdict struct {
	// why the connection cannot be used again: its death, or that the peer has
	// closed its side, which a death may still replace. It is final once over is set.
	why  atomic.Pointer[health.DeadError]
	over atomic.Bool
	fin  bool // the peer has closed its side, whatever came after; guarded by mu

	// mu guards changes of all, and the kernel's word: it tells an error once, so
	// that whoever asks for it keeps what it says before anybody else may ask.
	// Nobody outside is called under it.
	mu       sync.Mutex
	done     chan struct{} // closed then; nil until somebody asks for it
	watchers []*notify.Call[*health.DeadError]
}

// final returns the connection's death, or nil.
func (v *verdict) final() *health.DeadError {
	if !v.over.Load() {
		return nil
	}
	return v.why.Load()
}

// whenOver returns a channel that is closed with the verdict.
func (v *verdict) whenOver() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done == nil {
		v.done = make(chan struct{})
		if v.over.Load() {
			close(v.done)
		}
	}
	return v.done
}

// decided is final once whoever is finding out has: the socket of a peer that is
// given up fails before everybody knows why.
func (v *verdict) decided() *health.DeadError {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.final()
}

// settle makes what find finds the final verdict, unless there is one or it finds
// nothing, and returns what is, and who is to be told if this was the first.
func (v *verdict) settle(find func() *health.DeadError) (final *health.DeadError, first bool, tell []*notify.Call[*health.DeadError]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if final := v.final(); final != nil {
		return final, false, nil
	}
	dead := find()
	if dead == nil {
		return nil, false, nil
	}
	v.why.Store(dead)
	v.over.Store(true)
	if v.done != nil {
		close(v.done)
	}
	tell, v.watchers = v.watchers, nil
	return dead, true, tell
}

// note records that the peer has closed its side.
func (v *verdict) note(fin *health.DeadError) (why *health.DeadError, tell []*notify.Call[*health.DeadError]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fin = true
	if why := v.why.Load(); why != nil {
		return why, nil
	}
	v.why.Store(fin)
	return fin, slices.Clone(v.watchers)
}

// sawFIN reports whether the peer is known to have closed its side.
func (v *verdict) sawFIN() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fin
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
func (c *Conn) Done() <-chan struct{} { return c.verdict.whenOver() }

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

// failCall is fail for a call that was counted among those under way, and is over then,
// though a callback panics.
func (c *Conn) failCall(err error) error {
	defer c.calls.Add(-1)
	return c.fail(err)
}

// fail turns an error of the socket into the one to return: the reason of the
// connection's death, if it has died. The end of what the peer has sent is io.EOF
// where the peer has closed its side, whatever came after.
func (c *Conn) fail(err error) error {
	c.meter.Fault()
	if err == io.EOF {
		err = cmp.Or(c.cutOff("read"), err)
	}
	atFIN := err == io.EOF && c.readToFIN()
	if c.isLeftover(err, atFIN) {
		c.calls.Add(-1)
		c.letOthersTell()
		c.calls.Add(1)
	}
	dead := c.end(func() *health.DeadError { return c.diagnose(err) })
	if atFIN {
		c.peerClosed(c.described(health.DeadError{Cause: health.PeerClosed, Op: "read", Detected: time.Now(), Err: err}))
		return err
	}
	switch {
	case dead == nil && errors.Is(err, net.ErrClosed) && !c.closed.Load():
		c.closedPast()
		return err
	case dead == nil || dead.Cause == health.LocalClosed:
		return err // net's own, on a connection that this side has closed
	}
	return dead
}

// closedPast is for a socket that somebody has closed, and not by Close.
func (c *Conn) closedPast() {
	c.stopWatch()
	c.end(c.closedHere)
}

// closedHere finds that this side has closed the connection.
func (c *Conn) closedHere() *health.DeadError {
	return c.described(health.DeadError{Cause: health.LocalClosed, Op: "close", Detected: time.Now(), Err: net.ErrClosed})
}

// diagnose asks the kernel what an error means.
func (c *Conn) diagnose(err error) *health.DeadError {
	dead := health.Diagnose((*subject)(c), err)
	if dead == nil {
		return nil
	}
	return c.described(*dead)
}

// readToFIN is asked about an io.EOF: is it the peer's, or what is left of an error
// that somebody else was given?
func (c *Conn) readToFIN() bool {
	saw, known := false, false
	if rawconn.Control(c.socket, func(fd uintptr) error {
		saw, known = rawconn.SawFIN(fd)
		return nil
	}) == nil && known {
		return saw
	}
	return c.verdict.decided() == nil || c.verdict.sawFIN()
}

// cutOff returns the error in place of an io.EOF that is what a reset of a Multipath TCP
// connection has left, whose own error somebody else was given, and of which the kernel
// remembers no more; and nil for any other.
func (c *Conn) cutOff(op string) error {
	if c.known().unwatched == "" || c.wroteFIN.Load() {
		return nil
	}
	reset := rawconn.Control(c.socket, rawconn.MultipathReset)
	if reset == nil || errors.Is(reset, net.ErrClosed) {
		return nil
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: reset}
}

// isLeftover reports whether err is what remains of an error that somebody else was
// given: the connection is over, and this does not say why.
func (c *Conn) isLeftover(err error, atFIN bool) bool {
	if err == io.EOF && !atFIN || errno.Of(err) == errno.Broken && !c.wroteFIN.Load() {
		info, ierr := c.Info()
		return ierr == nil && info.State == health.TCPClose
	}
	return false
}

// letOthersTell is for a call that got what is left of an error: another one, which
// was given the error, may be on its way to say so. No call can block on a socket
// that is over, so those that are under way are back in no time; this one gives way
// until they have told, and then decides by the facts at hand.
func (c *Conn) letOthersTell() {
	giveway.While(func() bool { return c.calls.Load() > 0 && c.verdict.final() == nil })
}

// look asks the socket, and keeps what it says.
func (c *Conn) look() error { return c.lookBy(news.Do) }

func (c *Conn) lookBy(tell teller) error {
	if c.calls.Load() > 0 && c.isLeftover(io.EOF, false) {
		c.letOthersTell()
	}
	var fin *health.DeadError
	dead := c.endBy(tell, func() (dead *health.DeadError) {
		switch {
		case !errors.As(health.Check((*subject)(c)), &dead):
			return nil
		case !errors.Is(dead.Err, io.EOF):
			return c.described(*dead)
		}
		reset := c.cutOff("check")
		if reset == nil {
			fin = dead
			return nil
		}
		dead.Cause, dead.Err = health.Reset, reset
		return c.described(*dead)
	})
	switch {
	case dead != nil:
		return dead
	case fin != nil:
		return c.peerClosedBy(tell, c.described(*fin))
	}
	return nil
}

// described returns dead with what the connection knows of itself: a copy, for
// others may have dead already.
func (c *Conn) described(dead health.DeadError) *health.DeadError {
	dead.Peer = c.RemoteAddr()
	k := c.known()
	dead.WindowEarliest, dead.WindowLatest, dead.Promised = k.earliest, k.latest, k.promised
	return &dead
}

// peerClosed records that the peer has closed its side.
func (c *Conn) peerClosed(fin *health.DeadError) *health.DeadError {
	return c.peerClosedBy(news.Do, fin)
}

func (c *Conn) peerClosedBy(tell teller, fin *health.DeadError) *health.DeadError {
	why, watchers := c.verdict.note(fin)
	tell.all(watchers, why)
	return why
}

// end makes what find finds the final verdict, unless there is one, and returns what
// is: nil if there is none, and find has found nothing.
func (c *Conn) end(find func() *health.DeadError) *health.DeadError { return c.endBy(news.Do, find) }

func (c *Conn) endBy(tell teller, find func() *health.DeadError) *health.DeadError {
	final, first, watchers := c.verdict.settle(find)
	if !first {
		return final
	}
	c.meter.End()
	defer tell.all(watchers, final) // though the hook panics, or ends its goroutine
	if final.Cause != health.LocalClosed && c.observer.set().Dead != nil {
		tell(c, func() { c.observer.dead(DeadInfo{Conn: c, Err: final}) })
	}
	return final
}

// news is what callbacks are told in: a line for the hooks of each connection, and one
// for each function of Watch. A callback may make any call, and one that blocks does
// not hold up the watch, nor what others are told.
var news notify.Lines

// A teller is a way into a line: news.Do from a call, which tells before it returns
// unless an earlier event is being told, and news.Go from the watch.
type teller func(line any, f func())

// all calls the watchers in their order, though one of them panics, or ends its
// goroutine.
func (tell teller) all(watchers []*notify.Call[*health.DeadError], e *health.DeadError) {
	for _, call := range slices.Backward(watchers) {
		defer tell(call, func() { call.Fire(e) })
	}
}
