package deathwatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/giveway"
	"example.com/hale/internal/netconn"
)

// ErrNoKeepAlive says that a peer cannot be asked because keepalive is off. It
// matches [errors.ErrUnsupported].
var ErrNoKeepAlive = fmt.Errorf("deathwatch: keepalive is off: %w", errors.ErrUnsupported)

// Ping asks the kernel at the other end of c whether it is there, and returns
// how long the answer took. It sends not a byte of the application's and works
// with any protocol: the kernel is made to send a keepalive probe. A program
// that is stopped behind its kernel is not noticed.
//
// A peer that was heard within the last second is asked when that is over, and
// while data is in flight, or the peer's window shut, the kernel asks by its own
// retransmissions: Ping then waits for the next thing that is heard. On Linux
// a probe leaves within a jiffy, 4 ms on many kernels, and the answer is timed
// as exactly.
//
// c is a hale.Conn or another connection with a socket, also under wrappers as
// [health.Check] knows. The error is that of ctx if it ends first; a
// [*health.DeadError] if c has died; [ErrNoKeepAlive]; or matches
// [errors.ErrUnsupported] where the kernel cannot be asked, which is everywhere
// but on Linux and Android. Other options than c's idle time are not touched,
// and that is put back. A plain connection takes one Ping at a time.
func Ping(ctx context.Context, c net.Conn) (time.Duration, error) {
	if own, ok := netconn.Find[interface {
		Ping(ctx context.Context) (time.Duration, error)
	}](c); ok {
		return own.Ping(ctx)
	}
	s, ok := netconn.Find[rawSocket](c)
	if !ok {
		return 0, fmt.Errorf("deathwatch: ping: %w", netconn.NoSocket(c))
	}
	socket, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	undo := func() {}
	defer func() { undo() }()
	return awaitAnswer(ctx, socket, func() (err error) {
		undo, err = probeNow(socket)
		return err
	}, func(over bool) *health.DeadError {
		if !over {
			return nil
		}
		return health.Diagnose(s, watchError(s, io.EOF))
	})
}

// Ping is [Ping] for the connection under watch: it is the watch that asks, so
// that nothing else changes the options at the same time.
func (c *Supervision) Ping(ctx context.Context) (time.Duration, error) {
	if !canAsk || c.bare {
		return 0, errors.ErrUnsupported
	}
	s := c.ref.Subject()
	if s.Limits().Idle == 0 {
		return 0, ErrNoKeepAlive
	}
	return awaitAnswer(ctx, s.Socket(), func() error {
		c.wanted.Store(true)
		lookSoon(c)
		return nil
	}, func(over bool) *health.DeadError {
		if !over {
			return s.Dead(func() *health.DeadError { return nil }) // what the watch has given up itself
		}
		giveway.While(func() bool { return isTelling(s) })
		return s.Dead(func() *health.DeadError { return health.Diagnose(s, watchError(s, io.EOF)) })
	})
}

// awaitAnswer has ask ask, and waits until the peer is heard. There is no event to wait
// for. why says of what a connection that is over has died, if it has.
func awaitAnswer(ctx context.Context, socket syscall.RawConn, ask func() error, why func(over bool) *health.DeadError) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	before, info, err := listen(socket) // first: others may have asked, and the answer come just now
	if err != nil {
		return 0, fmt.Errorf("deathwatch: ping: %w", err)
	}
	if err := ask(); err != nil {
		return 0, err
	}
	began := time.Now()
	before.heard = began.Add(-info.Silence()) // at the latest
	asked := before.heard.Add(time.Second)
	if asked.Before(began) {
		asked = began
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for step := pingStep; ; step = min(step*5/4, doubtPause) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-pause.C:
		}
		now, info, err := listen(socket)
		over := err != nil || info.State == health.TCPClose
		if dead := why(over); dead != nil {
			err = dead
		} else if err == nil && over {
			err = net.ErrClosed
		}
		if err != nil {
			return 0, err
		}
		if now.later(before) {
			return max(now.heard.Sub(asked), 0), nil
		}
		pause.Reset(step)
	}
}

// A sign is the last one of life that a kernel has of a peer.
type sign struct {
	heard    time.Time // at the earliest
	segments uint32    // that have come from it, in all; 0 where they are not counted
}

// listen asks the kernel.
func listen(socket syscall.RawConn) (sign, health.Info, error) {
	now := time.Now()
	segments := segmentsIn(socket)
	info, err := health.Inspect(socket)
	return sign{now.Add(-info.Silence()), segments}, info, err
}

// later reports whether there was another sign since before. The times alone are of
// two clocks: the kernel's, by which a silence is told, stands still between two ticks,
// and where these are late, as in a machine that gets no processor, a silence seems to
// have begun later.
func (s sign) later(before sign) bool {
	if s.segments > 0 {
		return s.segments != before.segments
	}
	return s.heard.After(before.heard.Add(resolution))
}

// pingStep is the time between the first two looks for an answer.
const pingStep = time.Millisecond
