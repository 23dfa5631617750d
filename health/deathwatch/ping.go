package deathwatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"time"

	"example.com/hale/health"
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
	undo, err := probeNow(socket)
	if err != nil {
		return 0, err
	}
	defer undo()
	return awaitAnswer(ctx, socket, func() *health.DeadError { return health.Diagnose(s, watchError(s, io.EOF)) })
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
	c.wanted.Store(true)
	lookSoon(c)
	return awaitAnswer(ctx, s.Socket(), func() *health.DeadError {
		for n := 0; n < 100_000 && isTelling(s); n++ { // milliseconds
			runtime.Gosched()
		}
		return s.Dead(func() *health.DeadError { return health.Diagnose(s, watchError(s, io.EOF)) })
	})
}

// awaitAnswer waits until the peer is heard. There is no event to wait for. why says
// of what a connection that is over has died, if it has.
func awaitAnswer(ctx context.Context, socket syscall.RawConn, why func() *health.DeadError) (time.Duration, error) {
	info, err := health.Inspect(socket)
	if err != nil {
		return 0, fmt.Errorf("deathwatch: ping: %w", err)
	}
	began := time.Now()
	last := began.Add(-info.Silence()) // at the latest
	asked := last.Add(time.Second)
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
		now := time.Now()
		info, err := health.Inspect(socket)
		// What the watch has given up itself is not over for the kernel.
		if dead := why(); dead != nil {
			err = dead
		} else if err == nil && info.State == health.TCPClose {
			err = net.ErrClosed
		}
		if err != nil {
			return 0, err
		}
		if heard := now.Add(-info.Silence()); heard.After(last.Add(resolution)) {
			return max(heard.Sub(asked), 0), nil
		}
		pause.Reset(step)
	}
}

// pingStep is the time between the first two looks for an answer.
const pingStep = time.Millisecond
