package hale

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
	"weak"

	"example.com/hale/health"
	"example.com/hale/health/deathwatch"
	"example.com/hale/internal/bubble"
	"example.com/hale/internal/notify"
	"example.com/hale/sockopt"
)

// Watch calls dead when the connection dies, and before that, with
// [health.PeerClosed], when the peer closes its side. What has happened already is
// told at once. A Close of this
// side is told as well, with [health.LocalClosed]; while dead is running, one by
// dead itself for instance, that is told once dead has returned.
//
// Once stop has returned, dead is not running and will not be called (unless
// stop was called by dead). dead may make any call, and may block: that holds up what
// is told to it, and nothing else.
//
// Inside a testing/synctest bubble, of a connection from outside, dead is called inside
// too, within a second of the bubble's clock.
func (c *Conn) Watch(dead func(*health.DeadError)) (stop func()) {
	w := &watcher{conn: c, dead: dead}
	w.call.Of(w.tell)
	if c.isWatched() && bubble.Possible() && bubble.Inside() {
		w.tellInside(nil)
		return w.stop
	}
	if missed := c.verdict.watch(&w.call); missed != nil {
		w.call.Fire(missed)
	}
	return w.stop
}

// watcher is a function that was given to Watch.
type watcher struct {
	conn *Conn
	dead func(*health.DeadError)
	call notify.Call[*health.DeadError]
	over bool // it was told of the death
}

func (w *watcher) tell(e *health.DeadError) {
	// Two goroutines may come with the two events, in either order.
	if w.over {
		return
	}
	w.over = w.conn.verdict.final() == e
	w.dead(e)
}

// insideEvery is how often a bubble looks, by its own clock, which takes no time.
const insideEvery = time.Second

// tellInside tells what is news, inside the testing/synctest bubble that Watch was
// called in, and goes on so: the watch is outside, from where what was made in a bubble
// must not be touched. Timers, unlike a goroutine, do not keep the bubble from ending.
func (w *watcher) tellInside(told *health.DeadError) {
	over := w.conn.verdict.final() != nil
	why := w.conn.verdict.why.Load()
	if why != told {
		w.call.Fire(why)
	}
	if !over && !w.call.Stopped() {
		time.AfterFunc(insideEvery, func() { w.tellInside(why) })
	}
}

func (w *watcher) stop() {
	w.conn.verdict.unwatch(&w.call)
	w.call.Stop()
}

// startWatch has the connection watched until it is closed, or collected as
// garbage. The error is that of Unwatched: the connection is good without a watch.
func (c *Conn) startWatch(k sockopt.KeepAlive) error {
	var r deathwatch.Ref = ref{weak.Make(c)}
	if o := c.observer; o != nil && o.Dropped != nil {
		r = observedRef{ref{weak.Make(c)}, &dropped{o, c.opened, c.RemoteAddr()}}
	}
	if c.socket == nil {
		return syscall.EINVAL // as net.TCPConn says
	}
	s, err := deathwatch.Supervise(r)
	switch {
	case errors.Is(err, deathwatch.ErrWatched):
		return err // somebody else's, whose promise is not to be left to the kernel
	case err != nil:
		return c.unwatched(k, err.Error())
	}
	c.supervision.Store(s)
	if c.closed.Load() { // by an observer that was told of a death already
		s.Stop()
	}
	if s.DeathsOnly() {
		return c.unwatched(k, "but for what the kernel, which fills no TCP_INFO, tells of by itself")
	}
	return nil
}

// begin starts the watch of a connection that is set up for k. Where strict, it fails if
// an option or the watch cannot be had; and if the socket is another's.
func (c *Conn) begin(k sockopt.KeepAlive, strict bool) error {
	if strict {
		if err := c.known().report.Err(); err != nil {
			return err
		}
	}
	if err := c.startWatch(k); err != nil && (strict || errors.Is(err, deathwatch.ErrWatched)) {
		return err
	}
	return nil
}

// unwatched takes note of why nobody watches, or not over everything, and leaves the
// promise to the kernel.
func (c *Conn) unwatched(k sockopt.KeepAlive, why string) error {
	now := facts{c.known().report, why}
	c.made.Store(now.known())
	if p, err := planUnwatched(k, c.retries2()); err == nil {
		_ = c.apply(p, p.plan)
	}
	return c.Unwatched()
}

func (c *Conn) isWatched() bool { return c.supervision.Load() != nil }

func (c *Conn) stopWatch() {
	if s := c.supervision.Load(); s != nil {
		s.Stop()
	}
}

// ref leads to a Conn and does not keep it.
type ref struct{ conn weak.Pointer[Conn] }

func (r ref) Subject() deathwatch.Subject {
	if c := r.conn.Value(); c != nil {
		return (*subject)(c)
	}
	return nil
}

func (r ref) Dropped() {}

// observedRef is a ref for an Observer that wants to know of a dropped Conn.
type observedRef struct {
	ref
	*dropped
}

func (r observedRef) Dropped() { news.Go(r.dropped, r.dropped.tell) }

// dropped is what is left of a Conn that was collected as garbage, for an
// Observer that wants to know.
type dropped struct {
	observer *Observer
	opened   moment
	remote   net.Addr
}

func (d *dropped) tell() {
	d.observer.Dropped(DroppedInfo{RemoteAddr: d.remote, Open: d.opened.since()})
}

// verdictReserve is by how much a silence ends before the promised time, so
// that everybody has been told by then.
const verdictReserve = 250 * time.Millisecond

// limitsOf says when a silence is worth a look, and when it is too long: for the
// promised time, or else for the whole detection window, or the user timeout that
// was asked for if that is longer. The user timeout that the kernel holds is there
// for a stall, and no part of it.
func limitsOf(r sockopt.Report) deathwatch.Limits {
	var l deathwatch.Limits
	if !r.Got.Disabled {
		l.Idle = max(r.Got.Idle, 0)
	}
	r.Got.UserTimeout = 0
	l.Pace, l.Retries = paceOf(r), r.Platform.Retries2
	l.Ask = r.Asked.Within > 0 // explicit numbers are the kernel's to act by
	if asked := r.Asked.UserTimeout; r.Asked.Within > 0 {
		l.Silence = r.Asked.Within - verdictReserve
	} else if asked > 0 {
		l.Silence = asked
		if _, latest := r.Window(); latest != sockopt.Never {
			l.Silence = max(asked, latest)
		}
	}
	return l
}

// promisedTo is within what time a peer that is gone is noticed, at the latest: numbers
// are a kernel's, whose timers are up to an eighth late.
func promisedTo(r sockopt.Report) time.Duration {
	if r.Asked.Within > 0 {
		return r.Asked.Within
	}
	silence := limitsOf(r).Silence
	return silence + min(silence/8, sockopt.Never-silence)
}

// counts are the bytes of a connection so far.
type counts struct{ sent, retransmitted, acked uint64 }

// samples is what it takes to tell of looks, made once, since there are many of them.
type samples struct {
	telling atomic.Bool // while it is set info and before are the teller's, and else the watch's
	info    health.Info
	before  counts // at the sample before
	tell    func()
}

// tellSample runs in the line of the connection.
func (c *Conn) tellSample() {
	s := c.samples
	defer s.telling.Store(false) // though the hook ends its goroutine
	was, now := s.before, counts{s.info.BytesSent, s.info.BytesRetransmitted, s.info.BytesAcked}
	s.before = now
	c.observer.sampled(SampledInfo{c, s.info, now.sent - was.sent, now.retransmitted - was.retransmitted, now.acked - was.acked})
}

// paceOf is the pace that was planned, or else the one that the kernel holds; 0
// where it has none to be set.
func paceOf(r sockopt.Report) time.Duration {
	if r.Got.Pace > 0 && r.Effective.Pace > 0 {
		return r.Effective.Pace
	}
	return max(r.Got.Pace, 0)
}

// stretch makes l fit options that were set since, by whomever: a silence may
// last for as much longer as they allow.
func stretch(l deathwatch.Limits, then, now sockopt.KeepAlive) deathwatch.Limits {
	l.Idle = 0
	if !now.Disabled {
		l.Idle = max(now.Idle, 0)
	}
	_, before := then.Window()
	if _, latest := now.Window(); l.Silence > 0 && latest != sockopt.Never && before != sockopt.Never {
		l.Silence += max(0, latest-before)
	}
	if l.Silence > 0 && now.UserTimeout > then.UserTimeout { // the kernel's own bound, in every state
		l.Silence = max(l.Silence, now.UserTimeout)
	}
	return l
}

// subject is a Conn as the watch sees it.
type subject Conn

func (s *subject) conn() *Conn { return (*Conn)(s) }

func (s *subject) Socket() syscall.RawConn { return s.socket }

func (s *subject) Limits() deathwatch.Limits {
	k := s.conn().known()
	l := k.limits
	l.Samples = s.observer.set().Sampled != nil
	if !s.conn().isWatched() {
		return l // nobody can have set anything yet
	}
	if now, err := sockopt.Get(s.socket); err == nil && now != k.report.Got {
		return stretch(l, k.report.Got, now)
	}
	return l
}

func (s *subject) PeerClosed(fin *health.DeadError) {
	s.conn().peerClosedBy(news.Go, s.conn().described(*fin))
}

func (s *subject) Dead(find func() *health.DeadError) *health.DeadError {
	return s.conn().endBy(news.Go, func() *health.DeadError {
		if dead := find(); dead != nil {
			return s.conn().described(*dead)
		}
		return nil
	})
}

// SentFIN is what package health asks of a connection that is over: has this side
// closed its writing? Somebody may have done so past the Conn (shutdown(2)); the kernel
// counts a FIN that was acknowledged as a byte, and the SYN of the side that dialled.
func (s *subject) SentFIN() (sent, known bool) {
	if s.wroteFIN.Load() {
		return true, true
	}
	info, err := s.conn().Info()
	if err != nil || s.origin == fromOthers {
		return false, err != nil // package health has to do with the count alone
	}
	own := uint64(1)
	if s.origin == fromDial {
		own++
	}
	if info.BytesSent == 0 && info.BytesAcked > 2 {
		return false, true // before Linux 4.19 what was sent is not counted
	}
	return info.BytesAcked-(info.BytesSent-info.BytesRetransmitted) == own, true
}

// Telling: no call blocks on a socket that is over, so one that is under way may have
// been given its error; and a copy may.
func (s *subject) Telling() bool { return s.calls.Load() > 0 || s.copies.Load() > 0 }

// Sampled tells of a look, unless the one before is still being told.
func (s *subject) Sampled(info health.Info) {
	if s.samples == nil {
		s.samples = &samples{tell: s.conn().tellSample}
	}
	if !s.samples.telling.Swap(true) {
		s.samples.info = info
		news.Go(s.conn(), s.samples.tell)
	}
}

func (s *subject) Suspect(info health.Info) {
	s.suspect.Store(true)
	if s.observer.set().Suspect != nil {
		news.Go(s.conn(), func() { s.observer.suspect(SuspectInfo{Conn: s.conn(), Info: info}) })
	}
}

func (s *subject) Recovered(info health.Info) {
	s.suspect.Store(false)
	if s.observer.set().Recovered != nil {
		news.Go(s.conn(), func() { s.observer.recovered(RecoveredInfo{Conn: s.conn(), Info: info}) })
	}
}
