package heartbeat

import (
	"context"
	"errors"
	"net"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
	"example.com/hale/internal/rawconn"
)

// attempt is one probe of one connection.
type attempt struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the connection is not touched any more
}

// probe is a goroutine, which has the connection from the start.
func (p *Pulse) probe(a *attempt) {
	returned := false
	defer func() {
		if !returned { // a t.Fatal in Probe, for one
			go p.conclude(a, errNotReturned)
		}
	}()
	err := p.ask(a.ctx)
	returned = true
	p.conclude(a, err)
}

// errNotReturned is what a Probe has failed with that ended its goroutine.
var errNotReturned = errors.New("heartbeat: Probe ended its goroutine")

// conclude ends an attempt, though a function that it calls ends the goroutine.
func (p *Pulse) conclude(a *attempt, err error) {
	dead := p.judge(a.ctx, err)
	a.cancel()
	if dead == nil {
		p.release()
		close(a.done) // before the call, which may be to a function that stops p
		defer p.scheduler.finished(p, false)
		p.after.Fire(p.conn)
		return
	}
	if !p.scheduler.finished(p, true) || dead.Cause == health.LocalClosed {
		p.release()
		close(a.done)
		return
	}
	close(a.done) // likewise
	defer p.release()
	p.dead.Fire(dead)
}

// ask runs the application's probe within the bounds of ctx.
func (p *Pulse) ask(ctx context.Context) error {
	read, write := deadlines(p.conn)
	end, err := netconn.Bind(ctx, p.conn)
	defer func() {
		end()
		_ = p.conn.SetReadDeadline(read)
		_ = p.conn.SetWriteDeadline(write)
	}()
	if err != nil {
		return err
	}
	return p.scheduler.ask(ctx, p.conn)
}

// judge says what a probe's result means for the connection: nil as long as it
// is to be kept, and [health.LocalClosed] if its owner has closed it.
func (p *Pulse) judge(ctx context.Context, err error) *health.DeadError {
	switch {
	case err == nil:
		p.failures = 0
		return nil
	case ctx.Err() == context.Canceled:
		return nil // by Stop; nothing can be learned
	case errors.Is(err, net.ErrClosed) && ctx.Err() == nil:
		return &health.DeadError{Cause: health.LocalClosed, Op: "heartbeat", Detected: time.Now(), Err: err}
	}
	if dead := ownDeath(p.conn, err); dead != nil {
		return dead
	}
	p.failures++
	if p.failures <= p.scheduler.failures {
		return nil
	}
	info := inspect(netconn.Innermost(p.conn))
	return &health.DeadError{
		Cause:    health.HeartbeatFailed,
		Op:       "heartbeat",
		Silence:  info.Silence(),
		Detected: time.Now(),
		Info:     info,
		Err:      err,
	}
}

// ownDeath returns the connection's own death, if it is that which made a
// probe fail. Closing is not: a probe that gave up may have closed c itself.
func ownDeath(c net.Conn, err error) *health.DeadError {
	dead := health.Diagnose(c, err)
	if dead == nil {
		errors.As(health.Check(c), &dead)
	}
	if dead == nil || dead.Cause == health.LocalClosed || dead.Cause == health.Unknown {
		return nil
	}
	return dead
}

// inspect is [health.Inspect] for any connection; it is zero for one that
// cannot be looked at.
func inspect(c net.Conn) health.Info {
	raw, err := rawconn.Of(c)
	if err != nil {
		return health.Info{}
	}
	info, _ := health.Inspect(raw)
	return info
}

// deadlines returns what is known of c's deadlines.
func deadlines(c net.Conn) (read, write time.Time) {
	if m, ok := netconn.Find[netconn.Metered](c); ok {
		return m.Meter().Deadlines()
	}
	return time.Time{}, time.Time{}
}
