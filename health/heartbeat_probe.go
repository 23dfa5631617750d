package health

import (
	"context"
	"errors"
	"iter"
	"net"
	"time"
)

// longAgo is a deadline that makes whatever blocks return at once.
var longAgo = time.Unix(1, 0)

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
	end, _ := ctx.Deadline()
	if err := p.conn.SetDeadline(end); err != nil {
		return err
	}
	interrupted := make(chan struct{})
	finish := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = p.conn.SetDeadline(longAgo)
	})
	err := p.beater.ask(ctx, p.conn)
	if !finish() {
		<-interrupted
	}
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
	info, _ := inspectConn(socketUnder(p.conn))
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
	for c := range layers(c) {
		if _, ok := c.(keeper); ok {
			return nil
		}
	}
	return Diagnose(socketUnder(c), err)
}

// deadlines returns what c, or what is under it, says that its deadlines are.
func deadlines(c net.Conn) (read, write time.Time) {
	for c := range layers(c) {
		if d, ok := c.(interface {
			Deadlines() (read, write time.Time)
		}); ok {
			return d.Deadlines()
		}
	}
	return time.Time{}, time.Time{}
}

// socketUnder returns the innermost connection.
func socketUnder(c net.Conn) net.Conn {
	for under := range layers(c) {
		c = under
	}
	return c
}

// layers yields c and then, one after another, what NetConn methods reveal.
func layers(c net.Conn) iter.Seq[net.Conn] {
	return func(yield func(net.Conn) bool) {
		for c := c; c != nil && yield(c); {
			w, ok := c.(interface{ NetConn() net.Conn })
			if !ok {
				return
			}
			c = w.NetConn()
		}
	}
}
