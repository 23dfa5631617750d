//go:build linux && !hale_sweep

package deathwatch

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/rawconn"
)

// canAsk: the kernel asks when it is told to.
const canAsk = true

// askingCount is TCP_KEEPCNT while the watch asks: more than it will ask, so
// that the kernel leaves the verdict to it; and an end, should this process
// stand still for good.
const askingCount = 64

// watchAskings is how many of them there may be in one silence: a count that holds out
// for long is to do so beside them.
const watchAskings = 16

// options are those that the watch changes for a while, and those that go with them.
type options struct {
	idle, count, userTimeout int32
	interval, on             int32 // it leaves alone
	set                      int32 // the count that the watch has set
	pronounced               int   // how often the kernel was told to give the peer up
}

// pronouncedEnough is how often that is tried: the kernel needs a jiffy, unless it
// is so old that it cannot be told, or this machine is very busy.
const pronouncedEnough = 3

// change sets options for a while, unless the watch has ended.
func (c *Supervision) change(socket syscall.RawConn, set func(fd uintptr) error) error {
	c.setting.Lock()
	defer c.setting.Unlock()
	if c.stopped {
		return net.ErrClosed
	}
	return rawconn.Control(socket, func(fd uintptr) error {
		c.keep(fd)
		return set(fd)
	})
}

// keep keeps the options that the socket holds before the watch changes them.
func (c *Supervision) keep(fd uintptr) {
	if c.held == nil {
		held := getOptions(fd)
		c.held = &held
	}
}

// ask has the kernel send a keepalive probe now: an idle time that is over makes
// it do so, as often as it is set (tcp_sock_set_keepidle).
func (c *Supervision) ask(socket syscall.RawConn) {
	_ = c.change(socket, func(fd uintptr) error {
		c.held.set = c.countWhileAsking()
		setOption(fd, unix.TCP_KEEPCNT, c.held.set)
		return setOption(fd, unix.TCP_KEEPIDLE, 1)
	})
}

// countWhileAsking leaves the verdict to the kernel where it is the kernel's: the
// probe that is asked for comes on top of its own.
func (c *Supervision) countWhileAsking() int32 {
	if !c.limits.Ask {
		return min(c.held.count+1, 127)
	}
	return c.held.countWithAskings()
}

func (held *options) countWithAskings() int32 {
	return max(min(held.count+watchAskings, 127), askingCount)
}

// segmentsIn counts what has come from the peer (tcpi_segs_in); it is 0 before Linux 4.2.
func segmentsIn(socket syscall.RawConn) (n uint32) {
	_ = rawconn.Control(socket, func(fd uintptr) error {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			n = info.Segs_in
		}
		return err
	})
	return n
}

// probeNow asks on a connection that is not under watch. undo puts the idle time
// back.
func probeNow(socket syscall.RawConn) (undo func(), err error) {
	var idle int32
	err = rawconn.Control(socket, func(fd uintptr) error {
		on, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
		if err == nil && on == 0 {
			return ErrNoKeepAlive
		}
		idle = getOption(fd, unix.TCP_KEEPIDLE)
		return setOption(fd, unix.TCP_KEEPIDLE, 1)
	})
	return func() {
		_ = rawconn.Control(socket, func(fd uintptr) error {
			if getOption(fd, unix.TCP_KEEPIDLE) != 1 {
				return nil // others have set it meanwhile
			}
			return setOption(fd, unix.TCP_KEEPIDLE, idle)
		})
	}, err
}

// pronounce has the kernel give the peer up now, if it has not answered
// (tcp_keepalive_timer): at once, or, should an answer be under way, not at all.
func (c *Supervision) pronounce(socket syscall.RawConn) error {
	return c.change(socket, func(fd uintptr) error {
		c.held.pronounced++
		if c.held.userTimeout > 0 { // it takes the count's place
			setOption(fd, unix.TCP_USER_TIMEOUT, 1)
		}
		c.held.set = 1
		setOption(fd, unix.TCP_KEEPCNT, c.held.set)
		return setOption(fd, unix.TCP_KEEPIDLE, 1)
	})
}

// restore puts the options back, but for those that others have set meanwhile.
func (c *Supervision) restore(socket syscall.RawConn) {
	c.setting.Lock()
	defer c.setting.Unlock()
	c.putBack(socket)
}

// putBack is restore for who holds c.setting. It reports whether there were any.
func (c *Supervision) putBack(socket syscall.RawConn) (any bool) {
	held := c.held
	if held == nil {
		return false
	}
	c.held = nil
	_ = rawconn.Control(socket, func(fd uintptr) error {
		now := getOptions(fd)
		if now.userTimeout == 1 {
			setOption(fd, unix.TCP_USER_TIMEOUT, held.userTimeout)
		}
		if now.idle == 1 {
			setOption(fd, unix.TCP_KEEPIDLE, held.idle)
		}
		if now.count == held.set {
			setOption(fd, unix.TCP_KEEPCNT, held.count)
		}
		return nil
	})
	return true
}

// aside does something with the options of the watch's own put back, if there are any,
// and has them in place again: a kernel that finds more askings unanswered than its
// count allows gives the connection up at its next tick.
func (c *Supervision) aside(socket syscall.RawConn, do func()) {
	c.setting.Lock()
	defer c.setting.Unlock()
	any := c.putBack(socket)
	do()
	if !any {
		return
	}
	_ = rawconn.Control(socket, func(fd uintptr) error {
		c.keep(fd)
		c.held.set = c.held.countWithAskings()
		setOption(fd, unix.TCP_KEEPCNT, c.held.set)
		return setOption(fd, unix.TCP_KEEPIDLE, 1)
	})
}

// isAsking reports whether the socket holds options of the watch's own.
func (c *Supervision) isAsking() bool {
	c.setting.Lock()
	defer c.setting.Unlock()
	return c.held != nil
}

// meddledWith reports whether others have set options while the watch had its own
// there. An idle time of a second may be theirs as well.
func (c *Supervision) meddledWith(socket syscall.RawConn) (by bool) {
	c.setting.Lock()
	defer c.setting.Unlock()
	if c.held == nil {
		return false
	}
	_ = rawconn.Control(socket, func(fd uintptr) error {
		by = !c.held.stand(getOptions(fd))
		return nil
	})
	return by
}

// stand reports whether a socket holds what the watch has set, and has left alone.
func (held *options) stand(now options) bool {
	return now.idle == 1 && now.count == held.set && now.interval == held.interval && now.on == held.on &&
		(now.userTimeout == held.userTimeout || held.pronounced > 0 && now.userTimeout == 1)
}

// pronouncedOften: the kernel does not do it, however often it is told.
func (c *Supervision) pronouncedOften() bool {
	c.setting.Lock()
	defer c.setting.Unlock()
	return c.held != nil && c.held.pronounced >= pronouncedEnough
}

func getOptions(fd uintptr) options {
	on, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	return options{
		idle:        getOption(fd, unix.TCP_KEEPIDLE),
		count:       getOption(fd, unix.TCP_KEEPCNT),
		userTimeout: getOption(fd, unix.TCP_USER_TIMEOUT),
		interval:    getOption(fd, unix.TCP_KEEPINTVL),
		on:          int32(on),
	}
}

func getOption(fd uintptr, option int) int32 {
	v, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option)
	if err != nil {
		return 0 // an MPTCP socket has no user timeout
	}
	return int32(v)
}

func setOption(fd uintptr, option int, v int32) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, option, int(v)))
}

// giveUp has a Close of the socket send RST and forget what is left to send:
// nobody is there to say goodbye to.
func giveUp(socket syscall.RawConn) {
	_ = rawconn.Control(socket, func(fd uintptr) error {
		return unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
}

// hangUp ends what blocks on a connection that the kernel would still wait for.
func hangUp(socket syscall.RawConn) {
	_ = rawconn.Control(socket, func(fd uintptr) error { return unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}
