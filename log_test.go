package hale

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"example.com/hale/health"
)

// plain is a handler whose lines have no time.
func plain(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestTheLogHasALineForEachEvent(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	o, ctx := LogObserver(plain(&b)), context.Background()
	o.DialDone(ctx, DialDoneInfo{Network: "tcp", Address: "db:5432", Duration: time.Second})
	o.DialDone(ctx, DialDoneInfo{Network: "tcp4", Address: "db:5432", Err: errors.New("refused")})
	o.Accepted(AcceptedInfo{Conn: new(Conn)})
	o.Accepted(AcceptedInfo{Err: errors.New("no such option")})
	o.Suspect(SuspectInfo{Info: health.Info{Probes: 1}})
	o.Recovered(RecoveredInfo{Info: health.Info{RTT: time.Second / 2}})
	o.Dead(DeadInfo{Err: &health.DeadError{Cause: health.Reset, Op: "read"}})
	o.Closed(ClosedInfo{Open: time.Minute})
	o.Dropped(DroppedInfo{Open: time.Minute})
	const want = `level=DEBUG msg=connected server.address=db server.port=5432 network.transport=tcp hale.connect.duration=1
level=WARN msg="dial failed" server.address=db server.port=5432 network.transport=tcp hale.connect.duration=0 error.message=refused
level=DEBUG msg=accepted network.transport=tcp hale.keepalive.got.enabled=true
level=WARN msg="connection refused" network.transport=tcp error.message="no such option"
level=WARN msg="peer suspect" hale.probes=1 hale.retransmits=0
level=INFO msg="peer recovered" rtt=0.5
level=WARN msg="connection dead" hale.cause=reset operation=read
level=DEBUG msg="connection closed" hale.close.reason=closed hale.connection.duration=60
level=WARN msg="connection dropped" hale.close.reason=dropped hale.connection.duration=60
`
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if o.DialStart != nil {
		t.Error("it hears of what it does not log")
	}
}

func TestALogWithoutALoggerIsTheDefault(t *testing.T) {
	var b bytes.Buffer
	old := slog.Default()
	slog.SetDefault(plain(&b))
	defer slog.SetDefault(old)
	LogObserver(nil).Recovered(RecoveredInfo{})
	if b.Len() == 0 {
		t.Error("nothing was logged")
	}
}
