//go:build linux && !hale_sweep

package health

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/rawconn"
)

// eye looks at one descriptor after another, into the same memory: a look
// costs one system call and no allocation.
type eye struct {
	tcp   unix.TCPInfo
	errno syscall.Errno
	look  func(fd uintptr)
}

// glimpse looks at c. The error means that c is closed.
func (e *eye) glimpse(c *watched) (glimpse, TCPState, error) {
	if e.look == nil {
		e.look = e.getTCPInfo
	}
	if err := c.raw.Control(e.look); err != nil {
		return glimpse{}, 0, err
	}
	if e.errno != 0 {
		return glimpse{}, 0, e.errno
	}
	t := &e.tcp
	silence := min(t.Last_ack_recv, t.Last_data_recv)
	return glimpse{
		probes: int(t.Probes),
		// A peer whose window is shut over data in flight answers each
		// retransmission; nothing is asked then until the next.
		inFlight: t.Unacked > 0 && t.Last_data_sent < silence,
		pending:  t.Unacked > 0 || t.Notsent_bytes > 0,
		silence:  millis(silence),
		rtt:      micros(t.Rtt),
	}, TCPState(t.State), nil
}

// getTCPInfo is unix.GetsockoptTCPInfo without its allocation.
func (e *eye) getTCPInfo(fd uintptr) {
	size := uint32(unsafe.Sizeof(e.tcp))
	_, _, e.errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&e.tcp)), uintptr(unsafe.Pointer(&size)), 0)
}

// sample looks at every connection whose time has come.
func (w *watcher) sample() {
	now := time.Now()
	woke := w.clock.jumped(now)
	next := w.collect(w.clock.since(now), woke)
	for _, c := range w.due {
		if woke && c.limits != (Limits{}) {
			c.wake(now)
		}
		next = min(next, w.examine(c, now))
	}
	clear(w.due)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeBy(next)
}

// collect fills w.due and returns when the first of the others is due.
func (w *watcher) collect(now time.Duration, all bool) (next time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wake = time.Time{}
	_ = w.epoll.SetReadDeadline(w.wake)
	w.due, next = w.due[:0], never
	for i := range w.table {
		switch e := &w.table[i]; {
		case e.c == nil:
		case e.next <= now || all:
			w.due = append(w.due, e.c)
		default:
			next = min(next, e.next)
		}
	}
	return next
}

// examine looks at c, tells its subject what there is to tell, and returns
// when to look again.
func (w *watcher) examine(c *watched, now time.Time) (next time.Duration) {
	if w.at(c.place) != c { // removed since it was found to be due
		return never
	}
	if c.over {
		w.settle(c)
		return never
	}
	g, state, err := w.eye.glimpse(c)
	switch {
	case err != nil:
		w.remove(c)
		return never
	case state == TCPClose:
		w.look(c)
		return never // it has removed c, or postponed it to a time of its own
	case state.peerClosed() && !c.finSeen:
		w.look(c)
		return w.lookAgain(c, pauseLeast)
	}
	return w.follow(c, g, now)
}

// follow tells the subject how suspicion has changed.
func (w *watcher) follow(c *watched, g glimpse, now time.Time) (next time.Duration) {
	before := c.memory
	j := c.memory.judge(g, c.limits, now)
	if !before.woke.IsZero() && c.memory.woke.IsZero() {
		c.setIdle(c.limits.Idle)
	}
	switch {
	case j.expired:
		w.expire(c)
		return never
	case j.suspect && !before.suspect:
		c.subject.Suspect(c.info())
	case !j.suspect && before.suspect:
		c.subject.Recovered(c.info())
	}
	return w.lookAgain(c, j.pause)
}

func (w *watcher) lookAgain(c *watched, pause time.Duration) (next time.Duration) {
	next = w.after(pause)
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := &w.table[c.place.slot]; e.c == c {
		e.next = next
		return next
	}
	return never
}

func (c *watched) info() Info {
	info, _ := Inspect(c.raw)
	return info
}

// wake asks the peer whether it is still there, after this machine has slept:
// an idle time that is over makes the kernel send a probe at once
// (tcp_sock_set_keepidle). Until the peer is heard, it is suspect.
func (c *watched) wake(now time.Time) {
	if c.limits.Idle > 0 {
		c.memory.woke = now
		c.setIdle(time.Second)
	}
}

func (c *watched) setIdle(d time.Duration) {
	seconds := int((d + time.Second - 1) / time.Second)
	_ = rawconn.Control(c.raw, func(fd uintptr) error {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds)
	})
}

// expire ends a connection that the kernel would still wait for.
func (w *watcher) expire(c *watched) {
	info := c.info()
	w.dead(c, info, SendTimeout, syscall.ETIMEDOUT)
	_ = rawconn.Control(c.raw, func(fd uintptr) error {
		// Nobody is there to say goodbye to: Close sends RST and forgets.
		_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		return unix.Shutdown(int(fd), unix.SHUT_RDWR)
	})
}
