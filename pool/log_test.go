package pool

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"example.com/hale/health"
)

func TestTheLogHasALineForEachEventWorthOne(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	o, ctx, err := LogObserver(plain(&b)), context.Background(), errors.New("refused")
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	outage := Outage{ID: 1, Began: began, Detected: began.Add(time.Second), Death: &health.DeadError{Cause: health.SendTimeout}}
	o.AcquireDone(ctx, AcquireDoneInfo{Wait: time.Second})
	o.AcquireDone(ctx, AcquireDoneInfo{Wait: time.Second, Outage: 1, Err: err})
	for reason := range Reasons() {
		o.Evict(EvictInfo{Reason: reason})
	}
	o.OutageBegin(outage)
	outage.Ended = began.Add(time.Minute)
	o.OutageEnd(outage)
	outage.Healed = true
	o.OutageEnd(outage)
	o.ReconnectDone(ctx, ReconnectDoneInfo{Outage: 1, Attempt: 1, Err: err})
	o.ReconnectDone(ctx, ReconnectDoneInfo{Outage: 1, Attempt: 2})
	o.Refill(RefillInfo{Conns: 3})
	o.Leak(LeakInfo{Held: time.Minute, Stack: "main.main"})
	o.Heartbeat(HeartbeatInfo{})
	o.Heartbeat(HeartbeatInfo{Err: err})
	o.Resolved(ResolvedInfo{Addrs: ips("10.0.0.1")})
	o.Resolved(ResolvedInfo{Addrs: ips("10.0.0.2 10.0.0.3"), Gone: ips("10.0.0.1")})
	o.Resolved(ResolvedInfo{Err: err})
	o.Closed()
	const evicted = ` msg="connection evicted" hale.close.reason=`
	const rest = " hale.connection.in_use=false hale.connection.duration=0\n"
	const want = `level=DEBUG msg="acquire waited" hale.acquire.wait=1
level=WARN msg="acquire failed" hale.acquire.wait=1 hale.outage.id=1 error.message=refused
` + `level=WARN` + evicted + `dead` + rest + `level=WARN` + evicted + `suspect` + rest +
		`level=DEBUG` + evicted + `fault` + rest + `level=DEBUG` + evicted + `unread` + rest +
		`level=DEBUG` + evicted + `lifetime` + rest + `level=DEBUG` + evicted + `idle_time` + rest + `level=DEBUG` + evicted + `surplus` + rest +
		`level=DEBUG` + evicted + `invalid` + rest + `level=DEBUG` + evicted + `moved` + rest + `level=DEBUG` + evicted + `closed` + rest +
		`level=DEBUG` + evicted + `hijacked` + rest + `level=DEBUG` + evicted + `shutdown` + rest +
		`level=ERROR msg="outage began" hale.outage.id=1 began=2026-01-02T03:04:05.000Z hale.detection.duration=1 hale.cause=send_timeout hale.outage.lost=0 hale.outage.waiters=0 hale.outage.attempts=0
level=WARN msg="outage not healed" hale.outage.id=1 began=2026-01-02T03:04:05.000Z hale.detection.duration=1 hale.outage.duration=60 hale.cause=send_timeout hale.outage.healed=false hale.outage.lost=0 hale.outage.waiters=0 hale.outage.attempts=0
level=INFO msg="outage healed" hale.outage.id=1 began=2026-01-02T03:04:05.000Z hale.detection.duration=1 hale.outage.duration=60 hale.cause=send_timeout hale.outage.healed=true hale.outage.lost=0 hale.outage.waiters=0 hale.outage.attempts=0
level=INFO msg="reconnect failed" hale.outage.id=1 hale.reconnect.attempt=1 hale.reconnect.duration=0 error.message=refused
level=INFO msg=reconnected hale.outage.id=1 hale.reconnect.attempt=2 hale.reconnect.duration=0
level=DEBUG msg=refilling connections=3
level=WARN msg="connection held for too long" held=60 stack=main.main
level=WARN msg="heartbeat failed" hale.heartbeat.outcome=failed duration=0 error.message=refused
level=INFO msg="addresses gone" addresses="10.0.0.2 10.0.0.3" gone=10.0.0.1
level=WARN msg="name not resolved" error.message=refused
level=INFO msg="pool closed"
`
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if o.AcquireStart != nil || o.ReconnectStart != nil || o.Release != nil {
		t.Error("it hears of what it does not log")
	}
}

// plain is a handler whose lines have no time.
func plain(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}
