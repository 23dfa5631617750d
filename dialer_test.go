package hale

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/netconn"
	"example.com/hale/sockopt"
)

// Where a dial function is asked for, ours fits.
var (
	_ func(ctx context.Context, network, address string) (net.Conn, error) = new(Dialer).DialContext // http.Transport, pgconn, redis
	_ func(network, address string) (net.Conn, error)                      = new(Dialer).Dial
	_ func(network, address string) (net.Conn, error)                      = Dial
)

func TestADialGivesWhatWasAsked(t *testing.T) {
	t.Parallel()
	client, _ := connect(t, &Dialer{
		// net.Dialer would set 15 s, 15 s and 9 over everything.
		NetDialer: &net.Dialer{KeepAlive: 40 * time.Second, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 41 * time.Second}},
	})
	if got, want := client.Report().Got, held(t, sockopt.KeepAlive{}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := client.Report().Err(); err != nil {
		t.Error(err)
	}
}

func TestNeitherTimeoutNorPaceBoundsTheDial(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	thaw := testnet.FreezeListener(t, l)
	var before atomic.Pointer[sockopt.KeepAlive]
	nd := &net.Dialer{Timeout: 10 * time.Second, ControlContext: func(_ context.Context, _, _ string, c syscall.RawConn) error {
		// Looked at while the handshake is waiting for an answer.
		time.AfterFunc(500*time.Millisecond, func() {
			if k, err := sockopt.Get(c); err == nil {
				before.Store(&k)
			}
			thaw()
		})
		return nil
	}}
	d := &Dialer{NetDialer: nd, KeepAlive: sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 1, UserTimeout: 700 * time.Millisecond, StallTimeout: 700 * time.Millisecond}}
	conn, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal("the dial was cut short:", err) // the next SYN comes after a second
	}
	defer conn.Close()
	if got := before.Load(); got == nil || got.UserTimeout > 0 || got.StallTimeout > 0 || 0 < got.Pace && got.Pace < 120*time.Second {
		t.Errorf("during the handshake: %v", got)
	}
	if got, want := conn.(*Conn).Report().Got, held(t, d.KeepAlive); got != want {
		t.Errorf("afterwards %v, want %v", got, want)
	}
}

func TestTheUsersControlRunsFirstAndMayRefuse(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	stop := errors.New("not today")
	for name, nd := range map[string]*net.Dialer{
		"Control":        {Control: func(string, string, syscall.RawConn) error { return stop }},
		"ControlContext": {ControlContext: func(context.Context, string, string, syscall.RawConn) error { return stop }},
	} {
		d := &Dialer{NetDialer: nd}
		if _, err := d.Dial("tcp", l.Addr().String()); !errors.Is(err, stop) {
			t.Errorf("%s: %v", name, err)
		}
		if nd.KeepAlive != 0 || (nd.Control == nil) == (nd.ControlContext == nil) {
			t.Errorf("%s: the caller's dialer was changed: %+v", name, nd)
		}
	}
	var before sockopt.KeepAlive
	nd := &net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) { before, err = sockopt.Get(c); return err }}
	client, _ := connect(t, &Dialer{NetDialer: nd})
	if !before.Disabled || client.Report().Got.Disabled {
		t.Errorf("before %+v, after %+v", before, client.Report().Got)
	}
}

// openFiles counts the descriptors of the process, where that is possible.
func openFiles(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0 // wine shows /proc, with descriptors of its own
	}
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Not parallel: it counts the descriptors of the whole process.
func TestBadInputIsAClearErrorAndLeavesNothingBehind(t *testing.T) {
	l := testnet.Listen(t)
	refused := testnet.Listen(t)
	refusedAddr := refused.Addr().String()
	refused.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	// The network poller opens descriptors of its own at first use.
	if c, err := Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
	}
	fds := openFiles(t)
	type test struct {
		name             string
		ctx              context.Context
		dialer           Dialer
		network, address string
		want             []string // all of them
	}
	tests := []test{
		{"unknown network", t.Context(), Dialer{}, "tcp5", "127.0.0.1:1", []string{"tcp5", "unknown network"}},
		{"no port", t.Context(), Dialer{}, "tcp", "127.0.0.1", []string{"127.0.0.1", "missing port"}},
		{"no such port", t.Context(), Dialer{}, "tcp", "127.0.0.1:99999", []string{"99999", "invalid port"}},
		{"refused", t.Context(), Dialer{}, "tcp", refusedAddr, []string{refusedAddr, "refused"}},
		{"cancelled", cancelled, Dialer{}, "tcp", l.Addr().String(), []string{"cancel"}},
		{"negative", t.Context(), Dialer{KeepAlive: sockopt.KeepAlive{Interval: -5 * time.Second}}, "tcp", l.Addr().String(), []string{"Interval", "-5s"}},
		{"sooner than the kernel can", t.Context(), Dialer{KeepAlive: sockopt.Within(1500 * time.Millisecond)}, "tcp", l.Addr().String(), []string{"Within", "1.5s", "2s"}},
		{"off, but with times", t.Context(), Dialer{KeepAlive: sockopt.KeepAlive{Disabled: true, Idle: time.Second}}, "tcp", l.Addr().String(), []string{"Disabled", "Idle", "1s"}},
	}
	if runtime.GOOS == "linux" { // each system has limits of its own
		tests = append(tests,
			test{"idle too long", t.Context(), Dialer{KeepAlive: sockopt.KeepAlive{Idle: 40000 * time.Second}}, "tcp", l.Addr().String(), []string{"Idle", "40000", "32767"}},
			test{"count too high", t.Context(), Dialer{KeepAlive: sockopt.KeepAlive{Count: 300}}, "tcp", l.Addr().String(), []string{"Count", "300", "127"}})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn, err := test.dialer.DialContext(test.ctx, test.network, test.address)
			if err == nil {
				conn.Close()
				t.Fatal("no error")
			}
			if conn != nil {
				t.Errorf("an error, and yet %v", conn)
			}
			for _, word := range test.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
	if now := openFiles(t); now > fds {
		t.Errorf("%d descriptors before, %d after", fds, now)
	}
}

func TestNetworksOtherThanTCPPassThrough(t *testing.T) {
	t.Parallel()
	sock := filepath.Join(t.TempDir(), "s")
	l, err := Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Dial("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	u, err := Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for _, conn := range []net.Conn{c, s, u} {
		if hc, ok := From(conn); ok {
			t.Errorf("%T is %v", conn, hc)
		}
	}
}

func TestTheObserverSeesEveryDial(t *testing.T) {
	t.Parallel()
	type key struct{}
	var starts []DialStartInfo
	var done []DialDoneInfo
	o := &Observer{
		DialStart: func(ctx context.Context, i DialStartInfo) context.Context {
			starts = append(starts, i)
			return context.WithValue(ctx, key{}, len(starts))
		},
		DialDone: func(ctx context.Context, i DialDoneInfo) {
			if ctx.Value(key{}) != len(starts) {
				t.Error("DialDone did not get the context of DialStart")
			}
			done = append(done, i)
		},
	}
	d := &Dialer{Observer: o, KeepAlive: quick}
	client, server := connect(t, d)
	if _, err := d.Dial("tcp", "127.0.0.1"); err == nil {
		t.Fatal("no port, no error")
	}
	if len(starts) != 2 || len(done) != 2 {
		t.Fatalf("%d starts, %d ends", len(starts), len(done))
	}
	if _, err := (&Dialer{Observer: o}).Dial("tcp", "127.0.0.1"); err == nil || starts[2].KeepAlive != (sockopt.KeepAlive{}) {
		t.Errorf("by default: %+v, %v", starts[2], err)
	}
	if starts[0].Address != server.LocalAddr().String() || starts[0].KeepAlive != quick {
		t.Errorf("%+v", starts[0])
	}
	if done[0].Conn != client || done[0].Err != nil || done[0].Duration <= 0 || done[1].Conn != nil || done[1].Err == nil {
		t.Errorf("%+v", done)
	}
}

func TestItDialsForHTTP(t *testing.T) {
	t.Parallel()
	var remote atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { remote.Store(r.RemoteAddr) }))
	defer s.Close()
	transport := &http.Transport{DialContext: new(Dialer).DialContext}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport}).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if remote.Load() == nil {
		t.Error("nobody came")
	}
}

// The promise: whatever state the connection is in when the peer vanishes, it
// is noticed within the time that was asked for.
func TestWithinIsKeptOnARealKernel(t *testing.T) {
	t.Parallel()
	budgets := []time.Duration{3 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}
	if kernelNotifies { // the watch asks; the shortest promise of a kernel alone is nominal
		budgets = append(budgets, sockopt.MinWithin)
	}
	for _, within := range budgets {
		for _, state := range []string{"idle", "unacknowledged"} {
			t.Run(within.String()+"/"+state, func(t *testing.T) {
				t.Parallel()
				isNoticed(t, sockopt.Within(within), within, state)
			})
		}
	}
}

// isNoticed has a peer vanish.
func isNoticed(t *testing.T, k sockopt.KeepAlive, within time.Duration, state string) {
	t.Helper()
	client, server := connect(t, &Dialer{KeepAlive: k})
	bound(t, client, within+10*time.Second)
	testnet.Freeze(t, server)
	start := time.Now()
	if state == "unacknowledged" {
		client.Write([]byte("x"))
	}
	_, err := client.Read(make([]byte, 1))
	took := time.Since(start)
	t.Logf("noticed after %v", took)
	if dead := asDead(t, err); took > within || !dead.Cause.Silent() {
		t.Errorf("noticed after %v: %v", took, err)
	}
	if earliest, latest := client.Report().Window(); took < earliest-100*time.Millisecond || latest > within {
		t.Errorf("noticed after %v, predicted %v to %v", took, earliest, latest)
	}
}

// tunnel is what a proxy's dialer gives: nothing leads from it to the connection
// that it goes through.
type tunnel struct{ hidden }

// dialTunnel is such a dialer: it tries one proxy and then another, and passes on
// a context that comes from the caller's.
func dialTunnel(ctx context.Context, d *Dialer, failing, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if c, err := d.DialContext(ctx, "tcp", failing); err == nil {
		c.Close() // it refuses
	}
	c, err := d.DialContext(ctx, "tcp", address)
	return &tunnel{c}, err
}

func TestADialIsNotedUnderItsContext(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	for name, o := range map[string]*Observer{
		"unobserved": nil,
		"observed":   {DialStart: func(context.Context, DialStartInfo) context.Context { return context.Background() }},
	} {
		t.Run(name, func(t *testing.T) {
			var last *Conn
			d := &Dialer{Observer: Tee(o, &Observer{DialDone: func(_ context.Context, i DialDoneInfo) { last = i.Conn }})}
			ctx, record := netconn.Record(t.Context())
			c, err := dialTunnel(ctx, d, l.Addr().String(), l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if got, ok := From(c); ok {
				t.Fatalf("this shows nothing: it leads to %p", got)
			}
			if got := record.Seal(); got != netconn.Lasting(last) {
				t.Errorf("noted %p, want %p", got, last)
			}
			late, err := d.DialContext(ctx, "tcp", l.Addr().String()) // once the record is sealed
			if err != nil {
				t.Fatal(err)
			}
			defer late.Close()
			if got := record.Seal(); got != nil {
				t.Errorf("noted too late: %p", got)
			}
		})
	}
}

func TestADialThatFailedOrIsNotTCPIsNotNoted(t *testing.T) {
	t.Parallel()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, record := netconn.Record(t.Context())
	c, err := new(Dialer).DialContext(ctx, "udp", l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	gone, err := (&Dialer{KeepAlive: sockopt.KeepAlive{Count: -7}}).DialContext(ctx, "tcp", "127.0.0.1:1")
	if got := record.Seal(); err == nil || gone != nil || got != nil {
		t.Errorf("%v, %v, noted %p", gone, err, got)
	}
}
