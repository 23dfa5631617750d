package otelhale

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// connect dials a listener of its own and returns both ends.
func connect(t testing.TB, ctx context.Context, d *hale.Dialer) (client *hale.Conn, server *net.TCPConn) {
	t.Helper()
	l := testnet.Listen(t)
	c, err := d.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	server, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return c.(*hale.Conn), server
}

func TestADialTellsWhatTheKernelHolds(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx, request := r.user().Start(t.Context(), "request")
	d := &hale.Dialer{KeepAlive: sockopt.KeepAlive{Idle: 1500 * time.Millisecond, Interval: 2 * time.Second, Count: 4}, Observer: r.telemetry.Dialer()}
	client, server := connect(t, ctx, d)
	addr := server.LocalAddr().(*net.TCPAddr)
	span := r.one("connect " + addr.String())
	if !span.Parent.Equal(request.SpanContext()) || span.SpanKind != trace.SpanKindClient || span.Status.Code != codes.Unset {
		t.Errorf("%+v", span)
	}
	report := client.Report()
	earliest, latest := report.Window()
	has(t, "connect", span.Attributes, map[string]any{
		"server.address": "127.0.0.1", "server.port": addr.Port,
		"network.transport": "tcp", "network.type": "ipv4", "network.peer.address": "127.0.0.1", "network.peer.port": addr.Port,
		"hale.path":                    string(report.Path),
		"hale.keepalive.asked.enabled": true, "hale.keepalive.asked.idle": 1.5, "hale.keepalive.asked.interval": 2.0, "hale.keepalive.asked.count": 4,
		"hale.keepalive.asked.user_timeout":  report.Asked.UserTimeout.Seconds(),
		"hale.keepalive.asked.stall_timeout": nil, // for ever
		"hale.keepalive.got.enabled":         true,
		"hale.window.earliest":               earliest.Seconds(), "hale.window.latest": latest.Seconds(),
		"error.type": nil, "hale.refused": nil,
	})
	if report.Got.Idle >= 0 { // not every system tells
		if runtime.GOOS == "linux" {
			has(t, "connect", span.Attributes, map[string]any{
				"hale.keepalive.got.stall_timeout": 0.0, "hale.keepalive.asked.pace": report.Asked.Pace.Seconds(), "hale.keepalive.got.pace": report.Got.Pace.Seconds(),
			})
		}
		has(t, "connect", span.Attributes, map[string]any{"hale.keepalive.got.idle": report.Got.Idle.Seconds(), "hale.keepalive.got.count": report.Got.Count})
	}
	if n := r.series("hale.connect.duration", "").count; n != 1 {
		t.Errorf("%d dials", n)
	}
	client.Close()
	if n := r.series("hale.connection.duration", "hale.close.reason=closed").count; n != 1 {
		t.Errorf("%d connections", n)
	}
	d.Observer.Dropped(hale.DroppedInfo{RemoteAddr: client.RemoteAddr(), Open: time.Second})
	if n := r.series("hale.connection.duration", "hale.close.reason=dropped").count; n != 1 {
		t.Errorf("%d dropped connections", n)
	}
}

func TestADialThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	r := record(t)
	l := testnet.Listen(t)
	addr := l.Addr().String()
	l.Close()
	d := &hale.Dialer{Observer: r.telemetry.Dialer()}
	if _, err := d.DialContext(t.Context(), "tcp", addr); err == nil {
		t.Fatal("connected")
	}
	span := r.one("connect " + addr)
	if span.Parent.IsValid() || span.Status.Code != codes.Error || span.Status.Description == "" || len(span.Events) != 0 {
		t.Errorf("%+v", span)
	}
	has(t, "connect", span.Attributes, map[string]any{"error.type": "connection_refused", "network.peer.address": nil, "hale.keepalive.asked.enabled": true})
	r.series("hale.connect.duration", "error.type=connection_refused")

	d.KeepAlive.Count = -7
	if _, err := d.DialContext(t.Context(), "tcp", "db.example:postgres"); err == nil {
		t.Fatal("connected")
	}
	span = r.one("connect db.example:postgres")
	has(t, "connect", span.Attributes, map[string]any{"error.type": "invalid_keepalive", "server.address": "db.example", "server.port": nil, "hale.keepalive.asked.enabled": nil})
}

// A bubble is what every machine has that cannot be watched.
func TestAConnectionThatIsNotWatchedSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := (&hale.Dialer{Observer: r.telemetry.Dialer()}).Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		why := c.(*hale.Conn).Unwatched()
		has(t, "connect", r.one("connect "+l.Addr().String()).Attributes, map[string]any{"hale.unwatched": why})
	})
}

func TestDialsOfOtherNetworks(t *testing.T) {
	t.Parallel()
	r := record(t)
	o := r.telemetry.Dialer()
	for network, transport := range map[string]any{"udp": "udp", "unix": "unix", "ip4:icmp": nil} {
		r.spans.Reset()
		o.DialDone(o.DialStart(t.Context(), hale.DialStartInfo{Network: network, Address: "/run/x"}), hale.DialDoneInfo{})
		has(t, network, r.one("connect /run/x").Attributes, map[string]any{"network.transport": transport, "server.address": "/run/x", "server.port": nil})
	}
}

func TestRefusedOptionsAreListed(t *testing.T) {
	t.Parallel()
	report := sockopt.Report{
		Path: "options+ioctl",
		Got:  sockopt.KeepAlive{Idle: time.Second, Interval: -1, Count: -1, UserTimeout: -1, StallTimeout: -1, Pace: -1},
	}
	report.Options[3] = sockopt.OptionReport{Field: sockopt.FieldCount, Name: "TCP_KEEPCNT", Err: syscall.EINVAL}
	report.Options[4] = sockopt.OptionReport{Field: sockopt.FieldUserTimeout, Err: errors.ErrUnsupported}
	has(t, "connect", connected(nil, report), map[string]any{
		"hale.refused": []string{"count", "user_timeout"}, "hale.path": "options+ioctl",
		"hale.keepalive.got.idle": 1.0, "hale.keepalive.got.interval": nil, "hale.keepalive.got.count": nil, "hale.keepalive.got.user_timeout": nil,
		"hale.keepalive.got.stall_timeout": nil, "hale.keepalive.got.pace": nil,
	})
}

func TestAWindowWithoutEndIsLeftOut(t *testing.T) {
	t.Parallel()
	has(t, "window", windowAttributes(time.Second, sockopt.Never), map[string]any{"hale.window.earliest": 1.0, "hale.window.latest": nil})
	for _, d := range []time.Duration{0, sockopt.Never} {
		has(t, "window", windowAttributes(d, d), map[string]any{"hale.window.earliest": nil, "hale.window.latest": nil})
	}
}

func TestADeathWithoutAPoolIsCounted(t *testing.T) {
	t.Parallel()
	r := record(t)
	client, server := connect(t, t.Context(), &hale.Dialer{Observer: r.telemetry.Dialer()})
	if err := server.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	server.Close()
	_, err := client.Read(make([]byte, 1))
	if health.Classify(err) != health.Reset {
		t.Fatal(err)
	}
	client.Close()
	if n := r.series("hale.deaths", "hale.cause=reset").value; n != 1 {
		t.Errorf("%v deaths", n)
	}
	if n := r.series("hale.connection.duration", "hale.cause=reset hale.close.reason=dead").count; n != 1 {
		t.Errorf("%v connections", n)
	}
	if m, ok := r.metrics()["hale.detection.duration"]; ok {
		t.Errorf("a reset has a detection duration: %+v", m)
	}
}

func TestThePeerIsOnMetricsOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		var opts []Option
		if asked {
			opts = append(opts, WithPeerAddress())
		}
		r := record(t, opts...)
		o := r.telemetry.Dialer()
		client, server := connect(t, t.Context(), &hale.Dialer{Observer: o})
		o.Suspect(hale.SuspectInfo{Conn: client})
		server.SetLinger(0)
		server.Close()
		client.Read(make([]byte, 1))
		client.Close()
		for _, name := range []string{"hale.connect.duration", "hale.suspects", "hale.deaths", "hale.connection.duration"} {
			for _, p := range points(r.metrics()[name]) {
				if got := strings.Contains(p.attrs, "network.peer.address=127.0.0.1") && strings.Contains(p.attrs, "network.peer.port="); got != asked {
					t.Errorf("asked %v: %s{%s}", asked, name, p.attrs)
				}
			}
		}
	}
}

func TestDoubtsAreEventsOfTheOutageOnly(t *testing.T) {
	t.Parallel()
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	d, p := orders.Dialer(), orders.Observer()
	one, _ := connect(t, t.Context(), &hale.Dialer{})
	two, _ := connect(t, t.Context(), &hale.Dialer{})
	suspect := func(c *hale.Conn) { d.Suspect(hale.SuspectInfo{Conn: c, Info: health.Info{Probes: 2, Retransmits: 1}}) }
	recovered := func(c *hale.Conn) { d.Recovered(hale.RecoveredInfo{Conn: c}) }
	suspect(one)
	recovered(one) // settled before: only counted
	suspect(one)
	before := time.Now()
	p.OutageBegin(pool.Outage{ID: 1, Began: before, Detected: before, Dial: errDialRefused})
	suspect(two)
	recovered(one)
	over := pool.Outage{ID: 1, Began: before, Detected: before, Dial: errDialRefused}
	over.Ended = time.Now()
	p.OutageEnd(over)
	suspect(two)
	d.Closed(hale.ClosedInfo{Conn: two}) // settled as well
	if len(orders.suspects) != 0 {
		t.Errorf("%+v are kept", orders.suspects)
	}
	outage := r.one("outage orders")
	doubts := events(outage, "hale.suspect")
	if len(doubts) != 2 || doubts[0].Time.After(before) || len(events(outage, "hale.recovered")) != 1 {
		t.Fatalf("%+v", outage.Events)
	}
	has(t, "suspect", doubts[0].Attributes, map[string]any{"hale.probes": 2, "hale.retransmits": 1, "network.peer.address": "127.0.0.1"})
	if n := r.series("hale.suspects", "hale.pool.name=orders").value; n != 4 {
		t.Errorf("%v suspects", n)
	}
	if n := r.series("hale.recoveries", "hale.pool.name=orders").value; n != 2 {
		t.Errorf("%v recoveries", n)
	}
	for range 3 * suspicionsMost {
		suspect(one)
	}
	if n := len(orders.suspects); n != suspicionsMost {
		t.Errorf("%d doubts are kept", n)
	}
}
