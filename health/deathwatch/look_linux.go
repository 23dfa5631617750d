//go:build linux && !hale_sweep

package deathwatch

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/internal/rawconn"
)

// look finds out what an event was about.
func (w *watcher) look(c *Supervision) {
	s := w.subjectOf(c)
	if s == nil {
		return
	}
	if c.bare {
		w.lookByCheck(c, s)
		return
	}
	_, state, err := w.sampler.sample(s.Socket())
	switch {
	case err != nil:
		w.closed(c, s)
	case state == health.TCPClose:
		w.lookAtEnd(c, s)
	case peerClosed(state):
		c.closedByPeer(s, finished(s))
	}
}

// lookByCheck is a look where TCP_INFO is of no use; it returns when to look again.
func (w *watcher) lookByCheck(c *Supervision, s Subject) (next time.Duration) {
	if c.lookByCheck(s) {
		w.remove(c, s)
		return never
	}
	return w.lookAgain(c, longestPause)
}

// lookAtEnd finds out why c is over. If there is no error, a call has got it before
// us and is about to tell the subject itself, or did so past the subject, or both
// sides have closed it: what the kernel remembers decides a little later.
func (w *watcher) lookAtEnd(c *Supervision, s Subject) {
	gone := false
	known := w.dead(c, s, func() *health.DeadError {
		errno, err := socketError(s.Socket())
		gone = err != nil
		if gone || errno == 0 {
			return nil
		}
		return health.Diagnose(s, watchError(s, os.NewSyscallError("getsockopt", errno)))
	})
	switch {
	case known:
	case gone:
		w.closed(c, s)
	case !c.over:
		c.over, c.settleAt = true, w.clock.plus(shortestPause)
		w.lookAgain(c, shortestPause)
	}
}

// closed is for a socket that is closed. Who has called Stop before knows.
func (w *watcher) closed(c *Supervision, s Subject) {
	if w.remove(c, s) {
		s.Dead(closedHere)
	}
}

// socketError takes the error of a socket, 0 if there is none.
func socketError(socket syscall.RawConn) (syscall.Errno, error) {
	number := 0
	err := rawconn.Control(socket, func(fd uintptr) (err error) {
		number, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		return err
	})
	return syscall.Errno(number), err
}

// subjectOf returns c's subject, or nil if it is gone; c is forgotten then.
func (w *watcher) subjectOf(c *Supervision) Subject {
	s := c.ref.Subject()
	if s == nil {
		w.remove(c, nil)
		c.ref.Dropped()
	}
	return s
}

// peerClosed reports whether the peer's FIN has arrived: CLOSE_WAIT, TIME_WAIT,
// LAST_ACK, CLOSING.
func peerClosed(s health.TCPState) bool {
	return s == health.TCPCloseWait || s == 6 || s == 9 || s == 11
}

// finished says that the peer has closed its side.
func finished(s Subject) *health.DeadError { return explain(s, health.PeerClosed, io.EOF) }

// explain is a verdict of the watch's own.
func explain(s Subject, cause health.Cause, err error) *health.DeadError {
	info, _ := health.Inspect(s.Socket())
	return &health.DeadError{
		Cause:    cause,
		Op:       "watch",
		Silence:  info.Silence(),
		Detected: time.Now(),
		Peer:     s.RemoteAddr(),
		Info:     info,
		Err:      watchError(s, err),
	}
}

// dead has the subject know what find finds, and reports whether it does; it has no
// use for the watch then.
func (w *watcher) dead(c *Supervision, s Subject, find func() *health.DeadError) (known bool) {
	verdict := s.Dead(func() *health.DeadError {
		dead := find()
		if dead != nil {
			dead.Unanswered = c.detector.unansweredFor(c.limits, dead)
		}
		return dead
	})
	if verdict == nil {
		return false
	}
	w.remove(c, s)
	if host := hostOf(s); verdict.Cause.Silent() && host.IsValid() {
		w.lost[host] = struct{}{}
	}
	return true
}

// longestTelling is for how long a call that is under way on a connection that is
// over may put off its settling: no call can block there, so it has the error and is
// about to tell, but on a machine that is too busy for anything.
const longestTelling = time.Second

// settle explains the end of a connection whose error somebody else was given
// and kept, by what the kernel remembers.
func (w *watcher) settle(c *Supervision, s Subject) {
	if w.dead(c, s, func() *health.DeadError { return health.Diagnose(s, watchError(s, io.EOF)) }) {
		return
	}
	w.remove(c, s)
	c.closedByPeer(s, finished(s)) // by both sides in good order
}

// sample looks at every connection whose time has come.
func (w *watcher) sample() {
	now := time.Now()
	woke := w.clock.jumped(now)
	w.forgetDropped(w.clock.since(now))
	next := w.collect(w.clock.since(now), woke)
	for _, c := range w.due {
		next = min(next, w.examine(c, woke))
	}
	clear(w.due)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeBy(next)
}

// forgetDropped looks for connections that were collected as garbage, if it is time.
func (w *watcher) forgetDropped(now time.Duration) {
	if !w.tidyAt(now) {
		return
	}
	w.due = w.everybody(w.due[:0])
	for _, c := range w.due {
		w.subjectOf(c)
	}
	clear(w.due)
}

func (w *watcher) tidyAt(now time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	is := w.tidy <= now
	if is {
		w.tidy = never
	}
	return is
}

// examine looks at c, tells its subject what there is to tell, and returns
// when to look again.
func (w *watcher) examine(c *Supervision, woke bool) (next time.Duration) {
	if w.at(c.place.slot, c.place.gen) != c { // removed since it was found to be due
		return never
	}
	s := w.subjectOf(c)
	if s == nil {
		return never
	}
	if c.bare {
		return w.lookByCheck(c, s)
	}
	now := w.clock.plus(0)
	if c.over {
		if left := c.settleAt - now; left > resolution { // it was looked at for another reason
			return w.lookAgain(c, left)
		}
		if now-c.settleAt < longestTelling && isTelling(s) {
			return w.lookAgain(c, shortestPause)
		}
		w.settle(c, s)
		return never
	}
	sample, state, err := w.sampler.sample(s.Socket())
	sample.took = w.clock.plus(0) - now
	switch {
	case err != nil:
		w.closed(c, s)
		return never
	case state == health.TCPClose:
		w.look(c)
		return never // it has removed c, or put it off to a time of its own
	case peerClosed(state) && !c.finSeen:
		w.look(c)
	}
	if c.limits.Samples {
		s.Sampled(w.sampler.info())
	}
	if woke {
		c.detector.question(now, true)
	}
	return w.follow(c, s, sample, now)
}

// follow acts on what a sample leads to.
func (w *watcher) follow(c *Supervision, s Subject, sample sample, now time.Duration) (next time.Duration) {
	if c.stale.Swap(false) {
		c.refresh(s)
	}
	if c.wanted.Swap(false) {
		c.detector.question(now, false)
	}
	suspect := c.detector.suspect
	a := c.detector.assess(sample, c.limits, now)
	if (a.silent || a.ask) && c.changed(s) {
		a = c.detector.assess(sample, c.limits, now)
	}
	switch {
	case a.silent && w.end(c, s, sample):
		return never
	case a.ask:
		c.ask(s.Socket())
		c.detector.asked(now)
	case a.answers:
		c.restore(s.Socket())
	}
	c.keepPace(s.Socket(), sample)
	switch {
	case a.suspect && !suspect:
		s.Suspect(infoOf(s))
	case !a.suspect && suspect:
		s.Recovered(infoOf(s))
	}
	return w.lookAgain(c, a.pause)
}

// changed asks for the limits, before anything is done on their account: the
// connection's options may have been set by others.
func (c *Supervision) changed(s Subject) (changed bool) {
	if c.isAsking() {
		changed = c.meddledWith(s.Socket())
		if changed {
			c.refresh(s)
		}
		return changed
	}
	before := c.limits
	c.limits = s.Limits()
	return c.limits != before
}

// refresh asks for the limits when others have set options.
func (c *Supervision) refresh(s Subject) {
	c.aside(s.Socket(), func() { c.limits = s.Limits() })
	if !c.limits.Ask || c.limits.Idle == 0 {
		c.restore(s.Socket()) // to the kernel, by what was set
	}
	c.readPace(s.Socket())
}

// end ends a connection whose peer is silent, and reports whether it has. The
// kernel does it for an idle one, and then there is an event. This process may have
// stood still since the sample was taken, and the peer been heard meanwhile.
func (w *watcher) end(c *Supervision, s Subject, sample sample) bool {
	if !sample.pending && !c.pronouncedOften() && c.pronounce(s.Socket()) == nil {
		return false
	}
	heard := false
	w.dead(c, s, func() *health.DeadError {
		dead := silenced(s, sample)
		if heard = dead.Info.State != health.TCPClose && dead.Info.Silence() < sample.silence; heard {
			return nil
		}
		giveUp(s.Socket()) // before the subject can close it
		hangUp(s.Socket()) // before anybody knows of the death, and writes after it
		return dead
	})
	if !heard {
		w.remove(c, s)
	}
	return !heard
}

// silenced is the verdict of the watch's own. The kernel may know by an ICMP message
// that there is no way to the peer: it would give the connection up for that, later,
// and tells already (SO_ERROR, sk_err_soft).
func silenced(s Subject, sample sample) *health.DeadError {
	number, _ := socketError(s.Socket())
	soft := watchError(s, os.NewSyscallError("getsockopt", number))
	if dead := health.Diagnose(s, soft); dead != nil {
		return dead // the kernel was quicker
	}
	switch {
	case health.Classify(soft) == health.Unreachable:
		return explain(s, health.Unreachable, errors.Unwrap(soft))
	case sample.pending:
		return explain(s, health.SendTimeout, timedOut)
	}
	return explain(s, health.KeepAliveTimeout, timedOut) // which the kernel does not say: it is too old to be asked
}

var timedOut = os.NewSyscallError("getsockopt", syscall.ETIMEDOUT)

// askSiblings has the watch ask all connections to the hosts that have fallen
// silent.
func (w *watcher) askSiblings() {
	if len(w.lost) == 0 {
		return
	}
	w.due = w.everybody(w.due[:0])
	for _, c := range w.due {
		s := w.subjectOf(c)
		if s == nil || c.limits.Idle == 0 || !c.limits.Ask {
			continue
		}
		if _, lost := w.lost[hostOf(s)]; lost {
			c.detector.question(w.clock.plus(0), false)
			w.lookAgain(c, 0)
		}
	}
	clear(w.due)
	clear(w.lost)
}

// hostOf returns the peer's address; it is invalid where there is none.
func hostOf(s net.Conn) netip.Addr {
	tcp, _ := s.RemoteAddr().(*net.TCPAddr)
	return tcp.AddrPort().Addr() // of nil, too
}

func infoOf(s Subject) health.Info {
	info, _ := health.Inspect(s.Socket())
	return info
}
