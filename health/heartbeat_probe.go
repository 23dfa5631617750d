package health

import (
	"context"
	"errors"
	"net"
	"time"

	"example.com/hale/internal/netconn"
)

// attempt is one probe of one connection.
type attempt struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the connection is not touched any more
}

// probe is a goroutine, which has the connection from the start.
func (p *Pulse) probe(a *attempt) {
	dead := p.judge(a.ctx, p.ask(a.ctx))
	a.cancel()
	if dead == nil {
		p.release()
		p.beater.landed(p, false)
		close(a.done)
		return
	}
	if !p.beater.landed(p, true) || dead.Cause == LocalClosed {
		p.release()
		close(a.done)
		return
	}
	close(a.done) // before the call, which may be to a function that stops p
	p.dead.Fire(dead)
	p.release()
}

// ask runs the application's probe within the bounds of ctx.
func (p *Pulse) ask(ctx context.Context) error {
	read, write := deadlines(p.conn)
	end, err := netconn.Bind(ctx, p.conn)
	if err == nil {
		err = p.beater.ask(ctx, p.conn)
	}
	end()
	_ = p.conn.SetReadDeadline(read)
	_ = p.conn.SetWriteDeadline(write)
	return err
}

// judge says what a probe's result means for the connection: nil as long as it
// is to be kept, and [LocalClosed] if its owner has closed it.
func (p *Pulse) judge(ctx context.Context, err error) *DeadError {
	switch {
	case err == nil:
		p.failures = 0
		return nil
	case ctx.Err() == context.Canceled:
		return nil // by Stop; nothing can be learned
	case errors.Is(err, net.ErrClosed) && ctx.Err() == nil:
		return &DeadError{Cause: LocalClosed, Op: "heartbeat", Detected: time.Now(), Err: err}
	}
	if dead := ownDeath(p.conn, err); dead != nil {
		return dead
	}
	p.failures++
	if p.failures <= p.beater.failures {
		return nil
	}
	info, _ := inspectConn(netconn.Innermost(p.conn))
	return &DeadError{
		Cause:    HeartbeatFailed,
		Op:       "heartbeat",
		Silence:  info.Silence(),
		Detected: time.Now(),
		Info:     info,
		Err:      err,
	}
}

// ownDeath returns the connection's own death, if it is that which made a
// probe fail. Closing is not: a probe that gave up may have closed c itself.
func ownDeath(c net.Conn, err error) *DeadError {
	dead := diagnoseUnder(c, err)
	if dead == nil {
		errors.As(Check(c), &dead)
	}
	if dead == nil || dead.Cause == LocalClosed || dead.Cause == Unknown {
		return nil
	}
	return dead
}

// diagnoseUnder is Diagnose for a connection with wrappers. A keeper is not
// asked: it has diagnosed its errors already, and Check returns its verdict.
func diagnoseUnder(c net.Conn, err error) *DeadError {
	if _, ok := netconn.Find[keeper](c); ok {
		return nil
	}
	return Diagnose(netconn.Innermost(c), err)
}

// deadlines returns what is known of c's deadlines.
func deadlines(c net.Conn) (read, write time.Time) {
	if m, ok := netconn.Find[netconn.Metered](c); ok {
		return m.Meter().Deadlines()
	}
	return time.Time{}, time.Time{}
}
