package sockopt_test

import (
	"cmp"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
	"example.com/hale/sockopt"
)

// wantPathEnv names the environment variable with the path that has to be
// taken here, "options", "options+ioctl" or "ioctl". Without it the tests find
// out by themselves which one that is.
const wantPathEnv = "HALE_WANT_PATH"

// The options as Windows' headers number them, all at the level of TCP but the
// first.
const (
	soKeepAlive  = 8
	tcpKeepIdle  = 3
	tcpMaxRT     = 5
	tcpKeepCnt   = 16
	tcpKeepIntvl = 17
)

// asked has no value that any system has by itself.
var asked = sockopt.KeepAlive{Idle: 7 * time.Second, Interval: 3 * time.Second, Count: 4}

const askedUserTimeout = 19 // seconds: 7 + 3*4

// rawPair returns the raw socket of a connection that nobody has set anything on.
func rawPair(t *testing.T) syscall.RawConn {
	t.Helper()
	client, _ := testnet.Pair(t)
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func set(t *testing.T, c syscall.RawConn, option, value int) error {
	t.Helper()
	return rawconn.Control(c, func(fd uintptr) error {
		return windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_TCP, option, value)
	})
}

func get(t *testing.T, c syscall.RawConn, level, option int) (value int) {
	t.Helper()
	err := rawconn.Control(c, func(fd uintptr) (err error) {
		value, err = windows.GetsockoptInt(windows.Handle(fd), level, option)
		return err
	})
	if err != nil {
		t.Fatalf("option %d: %v", option, err)
	}
	return value
}

// lacks reports whether the kernel does not know an option, by trying it on a
// socket of its own.
func lacks(t *testing.T, option int) bool {
	t.Helper()
	err := set(t, rawPair(t), option, 1)
	if err != nil && !errors.Is(err, windows.WSAENOPROTOOPT) {
		t.Fatalf("option %d: %v", option, err)
	}
	return err != nil
}

// expectedPath is the one that the version of Windows promises, or an older one
// if the kernel does not keep that promise.
func expectedPath(t *testing.T) string {
	t.Helper()
	plan, err := sockopt.Current().Plan(asked)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case plan.Path == "ioctl", lacks(t, tcpKeepCnt):
		return "ioctl"
	case plan.Path == "options+ioctl", lacks(t, tcpKeepIdle), lacks(t, tcpKeepIntvl):
		return "options+ioctl"
	}
	return "options"
}

func apply(t *testing.T, k sockopt.KeepAlive) (syscall.RawConn, sockopt.Report) {
	t.Helper()
	raw := rawPair(t)
	plan, err := sockopt.Current().Plan(k)
	if err != nil {
		t.Fatal(err)
	}
	report, err := plan.Apply(raw)
	if err != nil {
		t.Fatal(err)
	}
	return raw, report
}

func TestThePathIsTheOneThatThisWindowsHas(t *testing.T) {
	t.Parallel()
	_, report := apply(t, asked)
	expected := expectedPath(t)
	t.Logf("%v: planned for %v, path %s", sockopt.Current(), report.Platform, report.Path)
	for _, option := range report.Options {
		t.Log(option)
	}
	if report.Path != expected {
		t.Errorf("path %s, but the kernel has that of %s", report.Path, expected)
	}
	if want := cmp.Or(os.Getenv(wantPathEnv), expected); report.Path != want {
		t.Errorf("path %s, but %s=%s", report.Path, wantPathEnv, want)
	}
}

func TestTheKernelHoldsWhatTheReportSays(t *testing.T) {
	t.Parallel()
	raw, report := apply(t, asked)
	want := asked
	switch report.Path {
	case "options":
		isSet(t, raw, tcpKeepIdle, 7)
		isSet(t, raw, tcpKeepIntvl, 3)
		isSet(t, raw, tcpKeepCnt, 4)
	case "options+ioctl":
		want.Idle, want.Interval = -1, -1
		isSet(t, raw, tcpKeepCnt, 4)
		if !lacks(t, tcpKeepIdle) { // a wine that claims to be this old
			isSet(t, raw, tcpKeepIdle, 7)
			isSet(t, raw, tcpKeepIntvl, 3)
		}
	case "ioctl":
		want.Idle, want.Interval, want.Count = -1, -1, 10
	default:
		t.Fatalf("path %s", report.Path)
	}
	if get(t, raw, windows.SOL_SOCKET, soKeepAlive) == 0 {
		t.Error("SO_KEEPALIVE is off")
	}
	want.UserTimeout, want.StallTimeout, want.Pace = -1, -1, -1
	if !lacks(t, tcpMaxRT) {
		want.UserTimeout = askedUserTimeout * time.Second
		isSet(t, raw, tcpMaxRT, askedUserTimeout)
	}
	if report.Got != want {
		t.Errorf("reported %v, want %v", report.Got, want)
	}
	isGot(t, raw, report)
}

// isGot checks that Get agrees with a report. It knows nothing of a fallback,
// and so not that the count is fixed then.
func isGot(t *testing.T, c syscall.RawConn, report sockopt.Report) {
	t.Helper()
	want := report.Got
	if report.Platform != sockopt.Current() && report.Path == "ioctl" {
		want.Count = -1
	}
	if got, err := sockopt.Get(c); got != want || err != nil {
		t.Errorf("Get says %v, %v, want %v", got, err, want)
	}
}

func isSet(t *testing.T, c syscall.RawConn, option, want int) {
	t.Helper()
	if got := get(t, c, windows.IPPROTO_TCP, option); got != want {
		t.Errorf("option %d is %d, want %d", option, got, want)
	}
}

// What one call could not set keeps no other from being set, and each is
// reported by its own error.
func TestARefusedOptionIsReportedByItsErrno(t *testing.T) {
	t.Parallel()
	_, report := apply(t, asked)
	want := map[sockopt.Field]string{
		sockopt.FieldKeepAlive: "set", sockopt.FieldIdle: "set", sockopt.FieldInterval: "set",
		sockopt.FieldCount: "set", sockopt.FieldUserTimeout: "set",
	}
	if report.Path == "ioctl" {
		want[sockopt.FieldCount] = "unsupported"
	}
	want[sockopt.FieldStallTimeout], want[sockopt.FieldPace] = "left alone", "left alone"
	refused := lacks(t, tcpMaxRT)
	if refused {
		want[sockopt.FieldUserTimeout] = "refused"
	}
	for _, o := range report.Options {
		if o.Status() != want[o.Field] {
			t.Errorf("%v, want %s", o, want[o.Field])
		}
	}
	if errors.Is(report.Err(), windows.WSAENOPROTOOPT) != refused {
		t.Errorf("TCP_MAXRT refused: %v, but the report says %v", refused, report.Err())
	}
	if errors.Is(report.Err(), errors.ErrUnsupported) != (report.Path == "ioctl") {
		t.Errorf("path %s, but the report says %v", report.Path, report.Err())
	}
}

// The older path is taken because a kernel refuses an option, by
// WSAENOPROTOOPT, that its version promises, and for no other reason.
func TestAnOlderPathIsTakenForAnOptionThatIsRefused(t *testing.T) {
	t.Parallel()
	_, report := apply(t, asked)
	if report.Platform == sockopt.Current() {
		t.Skipf("%v is what it claims to be: nothing to fall back from", report.Platform)
	}
	gone := map[int]bool{tcpKeepIdle: lacks(t, tcpKeepIdle), tcpKeepIntvl: lacks(t, tcpKeepIntvl), tcpKeepCnt: lacks(t, tcpKeepCnt)}
	t.Logf("%v refuses, by WSAENOPROTOOPT %d: %v", sockopt.Current(), windows.WSAENOPROTOOPT, gone)
	if report.Path == "ioctl" && !gone[tcpKeepCnt] || report.Path == "options+ioctl" && !gone[tcpKeepIdle] && !gone[tcpKeepIntvl] {
		t.Errorf("fell back to %s although the kernel has the options", report.Path)
	}
}

func TestKeepAliveIsOffUntilItIsSetAndCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	if k, err := sockopt.Get(rawPair(t)); err != nil || !k.Disabled {
		t.Errorf("a new socket: %v, %v", k, err)
	}
	raw, report := apply(t, sockopt.KeepAlive{Disabled: true})
	if !report.Got.Disabled || report.Err() != nil || get(t, raw, windows.SOL_SOCKET, soKeepAlive) != 0 {
		t.Errorf("%v, %v", report.Got, report.Err())
	}
}

func TestControlSetsTheOptionsBeforeTheConnect(t *testing.T) {
	t.Parallel()
	k := asked
	k.UserTimeout = -1
	l := testnet.Listen(t)
	d := net.Dialer{KeepAlive: -1, Control: sockopt.Control(k)}
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err) // no option that this Windows has was refused
	}
	defer c.Close()
	raw, err := rawconn.Of(c)
	if err != nil {
		t.Fatal(err)
	}
	_, report := apply(t, k) // on a finished connection
	isGot(t, raw, report)
}
