//go:build linux && !hale_sweep

package deathwatch

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/rawconn"
)

// deathMask is all that is asked of the kernel: the peer's FIN. Errors and
// hang-ups are reported unasked; EPOLLIN would wake us for every byte.
const deathMask = unix.EPOLLRDHUP | unix.EPOLLET

// watcher is the process's death watch: an epoll instance, the table of the
// connections registered with it, and the goroutine that serves both. It is
// started by its first user and stopped by its last.
type watcher struct {
	epoll *os.File // in Go's own poller, so that waiting for it holds no thread
	raw   syscall.RawConn
	clock clock // of the goroutine, but for start

	mu    sync.Mutex // guards what follows; nobody is called under it
	table table
	users int
	wake  time.Time     // when the goroutine looks next by itself; zero is never
	tidy  time.Duration // when it looks for connections that were dropped; never if no garbage was collected since

	// Of the goroutine alone.
	events  []unix.EpollEvent
	due     []*Supervision
	sampler sampler
	lost    map[netip.Addr]struct{} // peers that fell silent, whose other connections are to be asked
}

// current is the process's watcher while there is one.
var current struct {
	mu sync.Mutex // guards w; taken before w.mu
	w  *watcher
}

// watch begins to watch c, whose subject is s.
func watch(c *Supervision, s Subject) error {
	current.mu.Lock()
	defer current.mu.Unlock()
	if current.w == nil {
		w, err := startWatcher()
		if err != nil {
			return err
		}
		current.w = w
	}
	w := current.w
	if err := w.add(c, s); err != nil {
		w.stopIfIdle()
		return err
	}
	return nil
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
		lost:   make(map[netip.Addr]struct{}),
		tidy:   never,
	}
	w.clock.start = time.Now()
	if w.raw, err = w.epoll.SyscallConn(); err != nil {
		w.epoll.Close()
		return nil, err
	}
	w.ringAfterGC()
	go w.run()
	return w, nil
}

// ringAfterGC has the goroutine look for connections that were dropped after each
// garbage collection, so that the watch ends with the last of them: an object that
// nobody has is finalized by the next one.
func (w *watcher) ringAfterGC() {
	bell := &struct{ w *watcher }{w}
	runtime.SetFinalizer(bell, func(bell *struct{ w *watcher }) {
		if bell.w.ring() {
			bell.w.ringAfterGC()
		}
	})
}

// ring wakes the goroutine; it reports whether that still serves anybody.
func (w *watcher) ring() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users == 0 {
		return false
	}
	if w.tidy == never {
		// Garbage is collected often, and a look takes the longer the more there are.
		pause := min(time.Duration(w.users)*time.Millisecond, time.Second)
		w.tidy = w.clock.plus(pause)
		w.wakeBy(w.tidy)
	}
	return true
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

func (w *watcher) add(c *Supervision, s Subject) error {
	w.place(c)
	event := unix.EpollEvent{Events: deathMask, Fd: c.place.slot, Pad: c.place.gen}
	err := w.control(s, unix.EPOLL_CTL_ADD, event)
	if errors.Is(err, unix.EEXIST) {
		if err = ErrWatched; !w.isWatched(c, s) {
			err = w.control(s, unix.EPOLL_CTL_MOD, event)
		}
	}
	if err != nil {
		w.displace(c)
	}
	return err
}

// isWatched reports whether another than c watches the socket of s, which the epoll
// instance has: a subject that was collected as garbage has left it there, if somebody
// else has the socket.
func (w *watcher) isWatched(c *Supervision, s Subject) bool {
	fd := fdOf(s)
	for _, other := range w.everybody(nil) {
		if other == c {
			continue
		}
		if theirs := other.ref.Subject(); theirs != nil && fdOf(theirs) == fd {
			return true
		}
	}
	return false
}

func fdOf(s Subject) (fd uintptr) {
	_ = rawconn.Control(s.Socket(), func(number uintptr) error {
		fd = number
		return nil
	})
	return fd
}

func (w *watcher) control(s Subject, op int, event unix.EpollEvent) error {
	return rawconn.Control(s.Socket(), func(fd uintptr) error {
		// The watcher's own descriptor must stay open meanwhile, too.
		return rawconn.Control(w.raw, func(epfd uintptr) error {
			return os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(epfd), op, int(fd), &event))
		})
	})
}

// unwatch is Stop. A connection that is closed, or gone, has left the epoll
// instance already.
func unwatch(c *Supervision) {
	if w := theWatcher(); w != nil {
		w.remove(c, c.ref.Subject())
	}
}

// theWatcher returns the process's watcher, or nil. A connection that stands in
// the table of one keeps that from being replaced by another.
func theWatcher() *watcher {
	current.mu.Lock()
	defer current.mu.Unlock()
	return current.w
}

// remove takes c out of the table and out of the epoll instance, and stops the
// watcher if c was the last. It may be called again, and with a nil s for a
// connection that is gone; it reports whether c was still there.
func (w *watcher) remove(c *Supervision, s Subject) (was bool) {
	if !w.displace(c) {
		return false
	}
	if s != nil {
		_ = w.control(s, unix.EPOLL_CTL_DEL, unix.EpollEvent{})
	}
	current.mu.Lock()
	defer current.mu.Unlock()
	w.stopIfIdle()
	return true
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
			if c := w.at(e.Fd, e.Pad); c != nil {
				w.look(c)
			}
		}
		w.askSiblings()
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
