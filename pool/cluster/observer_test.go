package cluster

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/hookstest"
)

func TestTeeCallsEveryHookInOrder(t *testing.T) {
	t.Parallel()
	hookstest.Tee(t, Tee)
}

func TestWhatHooksAreToldCanBePrintedAndLogged(t *testing.T) {
	t.Parallel()
	hookstest.Print[Observer](t, nil, []Endpoint{{Address: "a"}}, Endpoint{Address: "a"})
}

func TestTheLogHasALineForEachEventWorthOne(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	o := LogObserver(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a, err := Endpoint{Address: "a:1"}, errors.New("refused")
	o.Resolved(ResolvedInfo{Endpoints: []Endpoint{a}, Added: []Endpoint{a}})
	o.Resolved(ResolvedInfo{Endpoints: []Endpoint{a}, Err: err})
	o.Ejected(EjectedInfo{Endpoint: a, For: time.Minute, Times: 2, Why: "failures", Err: err})
	o.Panic(PanicInfo{Active: true, Well: 1, All: 4})
	o.Panic(PanicInfo{Well: 2, All: 4})
	f := FailoverInfo{From: a, Cause: "outage", Began: began, Detected: began.Add(time.Second), Err: err}
	o.FailoverBegin(f)
	f.Ended = began.Add(2 * time.Second)
	o.FailoverEnd(f)
	f.Healed, f.To = true, Endpoint{Address: "b:1"}
	o.FailoverEnd(f)
	o.Fallback(FallbackInfo{Active: true, Replicas: 1})
	o.Fallback(FallbackInfo{Replicas: 1})
	o.Waited(context.Background(), WaitedInfo{Wait: time.Second, Hops: 1, Endpoint: a})
	o.Waited(context.Background(), WaitedInfo{Wait: time.Second, Err: err})
	o.Closed()
	const want = `level=INFO msg="endpoints changed" endpoints=1 added=a:1
level=WARN msg="endpoints not resolved" endpoints=1 error.message=refused
level=WARN msg="endpoint ejected" hale.endpoint=a:1 hale.ejection.reason=failures times=2 for=60 error.message=refused
level=WARN msg="panic mode began" active=true well=1 endpoints=4
level=INFO msg="panic mode ended" active=false well=2 endpoints=4
level=ERROR msg="failover began" from=a:1 hale.failover.cause=outage began=2026-01-02T03:04:05.000Z hale.detection.duration=1 error.message=refused
level=WARN msg="failover not healed" from=a:1 hale.failover.cause=outage began=2026-01-02T03:04:05.000Z hale.detection.duration=1 hale.failover.duration=2 hale.failover.healed=false error.message=refused
level=INFO msg="failover ended" from=a:1 to=b:1 hale.failover.cause=outage began=2026-01-02T03:04:05.000Z hale.detection.duration=1 hale.failover.duration=2 hale.failover.healed=true error.message=refused
level=WARN msg="no replica to be had" active=true replicas=1
level=INFO msg="replicas again" active=false replicas=1
level=DEBUG msg="acquire waited" hale.acquire.wait=1 hale.endpoint=a:1 hops=1
level=WARN msg="acquire failed" hale.acquire.wait=1 hops=0 error.message=refused
level=INFO msg="cluster closed"
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if many := addresses(make([]Endpoint, 12)); !strings.HasSuffix(many, " and 4 more") {
		t.Error(many)
	}
}
