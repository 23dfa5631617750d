//go:build linux && !hale_sweep

package health

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/rawconn"
)

// deathMask is all that is asked of the kernel: the peer's FIN. Errors and
// hang-ups are reported unasked; EPOLLIN would wake us for every byte.
const deathMask = unix.EPOLLRDHUP | unix.EPOLLET

// place is where a connection stands in the watcher's table. The generation
// tells it from its predecessors in the same slot: an event that was under way
// when one of those was removed finds another generation there.
type place struct{ slot, gen int32 }

// watcher is the process's death watch: an epoll instance, the table of the
// connections registered with it, and the goroutine that serves both. It is
// started by its first user and stopped by its last.
type watcher struct {
	epoll *os.File // in Go's own poller, so that waiting for it holds no thread
	raw   syscall.RawConn
	clock clock // of the goroutine, but for start

	mu    sync.Mutex // guards what follows; nobody is called under it
	table []entry
	free  []int32 // slots of table
	users int
	wake  time.Time // when the goroutine looks next by itself; zero is never

	// Of the goroutine alone.
	events []unix.EpollEvent
	due    []*watched
	eye    eye
}

// entry is one slot of the table. The times stand here, not in the watched, so
// that finding out who is due runs through memory in order.
type entry struct {
	c    *watched
	next time.Duration // since the watcher's start; never if the slot is free
	gen  int32
}

// current is the process's watcher while there is one.
var current struct {
	mu sync.Mutex // guards w; taken before w.mu
	w  *watcher
}

func supervise(c *watched) (remove func(), err error) {
	current.mu.Lock()
	defer current.mu.Unlock()
	if current.w == nil {
		w, err := startWatcher()
		if err != nil {
			return nil, err
		}
		current.w = w
	}
	w := current.w
	if err := w.add(c); err != nil {
		w.stopIfIdle()
		return nil, err
	}
	return func() { w.remove(c) }, nil
}

func startWatcher() (*watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &watcher{
		epoll:  os.NewFile(uintptr(fd), "hale death watch"),
		events: make([]unix.EpollEvent, 128),
	}
	w.clock.start = time.Now()
	if w.raw, err = w.epoll.SyscallConn(); err != nil {
		w.epoll.Close()
		return nil, err
	}
	go w.run()
	return w, nil
}

// stopIfIdle ends the watcher that nobody uses. The caller holds current.mu.
func (w *watcher) stopIfIdle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users == 0 && current.w == w {
		current.w = nil
		w.epoll.Close()
	}
}

func (w *watcher) add(c *watched) error {
	w.place(c)
	err := w.control(c, unix.EPOLL_CTL_ADD, &unix.EpollEvent{
		Events: deathMask, Fd: c.place.slot, Pad: c.place.gen,
	})
	if err != nil {
		w.displace(c)
	}
	if errors.Is(err, unix.EEXIST) {
		return ErrWatched
	}
	return err
}

func (w *watcher) control(c *watched, op int, event *unix.EpollEvent) error {
	return rawconn.Control(c.raw, func(fd uintptr) error {
		var err error
		// The watcher's own descriptor must stay open meanwhile, too.
		if cerr := w.raw.Control(func(epfd uintptr) { err = unix.EpollCtl(int(epfd), op, int(fd), event) }); cerr != nil {
			return cerr
		}
		return os.NewSyscallError("epoll_ctl", err)
	})
}

// place finds c a slot.
func (w *watcher) place(c *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.free) == 0 {
		w.free = append(w.free, int32(len(w.table)))
		w.table = append(w.table, entry{})
	}
	slot := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	e := &w.table[slot]
	e.gen++
	e.c, e.next = c, w.after(c.limits.pause())
	c.place = place{slot, e.gen}
	w.users++
	w.wakeBy(e.next)
}

// displace gives c's slot back; it reports whether c still had it.
func (w *watcher) displace(c *watched) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &w.table[c.place.slot]
	if e.c != c {
		return false
	}
	e.c, e.next = nil, never
	w.free = append(w.free, c.place.slot)
	w.users--
	return true
}

// remove takes c out of the table and out of the epoll instance, and stops the
// watcher if c was the last. It may be called again, and after c was closed,
// which took it out of the epoll instance already.
func (w *watcher) remove(c *watched) {
	if !w.displace(c) {
		return
	}
	_ = w.control(c, unix.EPOLL_CTL_DEL, nil)
	current.mu.Lock()
	defer current.mu.Unlock()
	w.stopIfIdle()
}

// after returns the time of the look that comes closest to a pause from now.
// Looks are taken together, at multiples of pauseLeast.
func (w *watcher) after(pause time.Duration) time.Duration {
	return w.clock.plus(pause).Round(pauseLeast)
}

// wakeBy makes the goroutine look around at that time. The caller holds w.mu.
func (w *watcher) wakeBy(at time.Duration) {
	if at == never {
		return
	}
	if t := w.clock.time(at); w.wake.IsZero() || t.Before(w.wake) {
		w.wake = t
		_ = w.epoll.SetReadDeadline(t)
	}
}

// run serves the watch until its last user has closed the epoll instance.
func (w *watcher) run() {
	for {
		n, err := w.wait()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.sample()
		case err != nil:
			return
		}
		for _, e := range w.events[:n] {
			if c := w.at(place{e.Fd, e.Pad}); c != nil {
				w.look(c)
			}
		}
	}
}

// wait returns how many events there are, or that it is time to look around.
func (w *watcher) wait() (n int, err error) {
	var epollErr error
	err = w.raw.Read(func(fd uintptr) bool {
		n, epollErr = unix.EpollWait(int(fd), w.events, 0)
		return n != 0 && epollErr != unix.EINTR
	})
	if err == nil {
		err = os.NewSyscallError("epoll_wait", epollErr)
	}
	return max(n, 0), err
}

// at returns who stands at p, unless that one is gone.
func (w *watcher) at(p place) *watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.table[p.slot]; e.gen == p.gen {
		return e.c
	}
	return nil
}

// look finds out what an event was about.
func (w *watcher) look(c *watched) {
	var info Info
	var errno int
	err := rawconn.Control(c.raw, func(fd uintptr) (err error) {
		if info, err = inspect(fd); err != nil || info.State != TCPClose {
			return err
		}
		errno, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		return os.NewSyscallError("getsockopt", err)
	})
	switch {
	case err != nil: // closed meanwhile
		w.remove(c)
	case info.State == TCPClose && errno != 0:
		w.dead(c, info, info.cause(errnoCause(syscall.Errno(errno))), syscall.Errno(errno))
	case info.State == TCPClose:
		w.postpone(c)
	case info.State.peerClosed():
		c.closedByPeer(info)
	}
}

// dead tells the subject, which has no use for the watch from then on.
func (w *watcher) dead(c *watched, info Info, cause Cause, errno syscall.Errno) {
	w.remove(c)
	err := opError("watch", c.conn, os.NewSyscallError("getsockopt", errno))
	verdict := newDeadError(c.conn, cause, info, err)
	verdict.Unanswered = c.limits.unanswered(cause, info)
	c.subject.Dead(verdict)
}

// postpone looks at c, which is over, a little later: either both sides have
// closed it, or a call got the error before us and tells the subject itself.
func (w *watcher) postpone(c *watched) {
	c.over = true
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := &w.table[c.place.slot]; e.c == c {
		e.next = w.after(pauseLeast)
		w.wakeBy(e.next)
	}
}

// settle explains the end of a connection whose error somebody else was given
// and kept, by what the kernel remembers.
func (w *watcher) settle(c *watched) {
	var info Info
	err := rawconn.Control(c.raw, func(fd uintptr) (err error) {
		info, err = inspect(fd)
		return err
	})
	if cause := info.cause(PeerClosed); err == nil && cause != PeerClosed {
		w.dead(c, info, cause, syscall.ETIMEDOUT)
		return
	}
	w.remove(c)
	if err == nil {
		c.closedByPeer(info)
	}
}

// Instant reports whether a watch is told of a death by the kernel, at once. It
// is true on Linux and Android; elsewhere the watch looks from time to time.
const Instant = true
