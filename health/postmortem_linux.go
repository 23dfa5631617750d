package health

import (
	"math"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/rawconn"
	"example.com/hale/internal/tcpretries"
)

// remains are what the kernel keeps of a connection that is over, besides [Info].
type remains struct {
	err    error // of its death (SO_ERROR), unless somebody was given it before; now it is taken
	fin    bool  // the peer closed its side
	unread bool  // the kernel does not tell, as of something unread before Linux 5.6
	// windowShut is for how long, in all, the peer has taken nothing while there was
	// something to send.
	windowShut     time.Duration
	idle, interval time.Duration // of keepalive
	count          int           // of unanswered keepalive probes that end a connection without a user timeout
	pace           time.Duration // the longest pause between two retransmissions
	patience       time.Duration // for how long the kernel retransmits without a user timeout
}

// lateVerdict is the reason of the death of c, which is over, for somebody who got
// no more than err: io.EOF, or EPIPE. Its own error may still be there; if it was
// given away, a silence is known by what it has left, and whatever else was no
// orderly close was a reset, which is almost always so. (This machine's own abort
// leaves the same.)
func lateVerdict(c any, info Info, err error) *DeadError {
	left := remainsOf(c)
	if left.err != nil {
		err := opError(opOf(err), c, left.err)
		return newDeadError(c, info.cause(Classify(err)), info, err)
	}
	if info.expired(left) {
		return newDeadError(c, info.cause(KeepAliveTimeout), info, err)
	}
	sent, known := info.sentFIN(c)
	orderly := left.fin && (sent || !known) || left.unread && sent
	switch {
	case orderly && (isEOF(err) || sent):
		return nil // closed by both sides in good order
	case orderly:
		return newDeadError(c, PeerClosed, info, err)
	}
	if isEOF(err) && !left.fin {
		err = opError(opOf(err), c, os.NewSyscallError(opOf(err), syscall.ECONNRESET))
	}
	return newDeadError(c, Reset, info, err)
}

// expired reports whether the kernel has given the connection up because of a
// silence. Probes and retransmissions may be left over from one that the peer
// ended, by a RST for instance, so their time has to be over as well; and that before
// the death, for the silence goes on after it.
func (i Info) expired(left remains) bool {
	if i.Probes == 0 && i.Retransmits == 0 && i.Unsent == 0 {
		return false
	}
	switch {
	case i.UserTimeout > 0:
		return max(i.Silence(), left.windowShut) >= i.UserTimeout && i.lasted(left) >= i.UserTimeout
	case i.Retransmits > 0:
		return i.Silence() >= left.patience && i.lasted(left) >= left.patience
	case i.Unsent > 0 && i.SendWindow == 0:
		return i.Probes > 0 && i.Silence() >= left.patience
	}
	return left.count > 0 && i.Probes >= left.count
}

// lasted is for how long at most the silence had lasted at the death, by what the kernel
// had asked in it, whose timers are up to an eighth late. When that was, nobody knows: its
// clocks go on. Of a window that was shut nothing is left that would say (the backoff is
// forgotten, tcp_write_queue_purge, and the chronographs go on).
func (i Info) lasted(left remains) time.Duration {
	var most time.Duration
	switch {
	case i.Retransmits > 0 && i.RTO >= left.pace:
		most = time.Duration(i.Retransmits+1) * i.RTO
	case i.Retransmits > 0: // it has doubled each time
		most = 2 * i.RTO
	case i.Unsent == 0:
		most = left.idle + time.Duration(i.Probes)*left.interval
	default:
		return math.MaxInt64
	}
	return most + most/8
}

// remainsOf asks the socket of c, which is over. It takes the error.
func remainsOf(c any) (left remains) {
	raw, err := rawconn.Of(c)
	if err != nil {
		return remains{}
	}
	_ = rawconn.Control(raw, func(fd uintptr) error {
		if number, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); number != 0 {
			left.err = os.NewSyscallError("getsockopt", syscall.Errno(number))
		}
		saw, known := rawconn.SawFIN(fd)
		left.fin, left.unread = saw, !known
		if t, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			left.windowShut = time.Duration(t.Rwnd_limited) * time.Microsecond
		}
		left.idle = seconds(fd, unix.TCP_KEEPIDLE)
		left.interval = seconds(fd, unix.TCP_KEEPINTVL)
		left.count, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
		left.pace, left.patience = patience(int(fd))
		return nil
	})
	return left
}

func seconds(fd uintptr, option int) time.Duration {
	n, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option)
	return time.Duration(n) * time.Second
}

// patience is how long the kernel retransmits on a socket without a user timeout, and
// the longest pause in it.
func patience(fd int) (pace, all time.Duration) {
	const rtoMax = 44 // TCP_RTO_MAX_MS, since Linux 6.15
	pace = 2 * time.Minute
	if ms, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, rtoMax); err == nil && ms > 0 {
		pace = time.Duration(ms) * time.Millisecond
	}
	retries := int(tcpretries.Setting())
	if retries == 0 {
		retries = tcpretries.Default
	}
	return pace, tcpretries.GiveUp(pace, retries)
}
