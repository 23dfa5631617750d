package sockopt_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
	"example.com/hale/internal/tcpretries"
	"example.com/hale/sockopt"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// pair returns two ends of a connection of this machine with itself.
func pair(t *testing.T, d net.Dialer, lc net.ListenConfig) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := d.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// plain is a listener without MPTCP, of which nothing is inherited.
func plain() (lc net.ListenConfig) {
	lc.KeepAlive = -1
	lc.SetMultipathTCP(false)
	return lc
}

func raw(t *testing.T, c syscall.Conn) syscall.RawConn {
	t.Helper()
	rc, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return rc
}

func get(t *testing.T, c syscall.Conn) sockopt.KeepAlive {
	t.Helper()
	k, err := sockopt.Get(raw(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func apply(t *testing.T, c syscall.Conn, k sockopt.KeepAlive) sockopt.Report {
	t.Helper()
	r, err := mustPlan(t, sockopt.Current(), k).Apply(raw(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// protocol is what the socket really is: IPPROTO_TCP or IPPROTO_MPTCP.
func protocol(t *testing.T, c syscall.Conn) (n int) {
	t.Helper()
	err := rawconn.Control(raw(t, c), func(fd uintptr) (err error) {
		n, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func statuses(r sockopt.Report) (out []string) {
	for _, o := range r.Options {
		out = append(out, o.Status())
	}
	return out
}

// paced reports whether the kernel has TCP_RTO_MAX_MS, and systemPace is what a socket
// has if nobody has set it: -1 where it has none.
var paced, systemPace = func() (bool, time.Duration) {
	if testnet.LinuxIs(6, 15) {
		return true, 120 * sec
	}
	return false, -1
}()

func TestTheKernelHoldsWhatApplySets(t *testing.T) {
	for _, k := range []sockopt.KeepAlive{
		{},
		sockopt.Within(10 * sec),
		{Idle: 7 * sec, Interval: 8 * sec, Count: 9, UserTimeout: 4321 * ms},
		{Idle: 1, Interval: 1, Count: 1},
		{Idle: 32767 * sec, Interval: 32767 * sec, Count: 1},
		{Idle: sec, Interval: sec, Count: 127, UserTimeout: 2147483647 * ms, Pace: sec},
		{UserTimeout: 1, StallTimeout: 1, Pace: 120 * sec},
		{StallTimeout: time.Minute, Pace: 1000001 * time.Microsecond},
		{Disabled: true, StallTimeout: 1500 * ms},
	} {
		c, _ := pair(t, net.Dialer{}, plain())
		r := apply(t, c, k)
		refused := k.Pace > 0 && !paced
		if err := r.Err(); refused && !errors.Is(err, errors.ErrUnsupported) || !refused && err != nil {
			t.Errorf("%v: %v", k, err)
		}
		want := []string{"set", "set", "set", "set", "left alone", "left alone", "set"}
		if k.StallTimeout > 0 {
			want[5] = "set"
		}
		if k.Disabled {
			want[1], want[2], want[3], want[6] = want[4], want[4], want[4], want[4]
		} else if refused {
			want[6] = "unsupported"
		} else if r.Effective.Pace == -1 {
			want[6] = "left alone" // the promise is longer than any pace holds out, or there is none
		}
		if !cmp.Equal(statuses(r), want) {
			t.Errorf("%v: %q", k, statuses(r))
		}
		if got := get(t, c); got != r.Got {
			t.Errorf("%v: report %v, socket %v", k, r.Got, got)
		}
		held := r.Effective
		held.Count = r.Asked.Count // the socket keeps it though TCP_USER_TIMEOUT decides
		if r.Asked.Within > 0 {
			held.Count = max(held.Count, 8)
		}
		held.UserTimeout, held.StallTimeout = max(held.UserTimeout, 0), max(held.StallTimeout, 0)
		if k.Disabled {
			held.Idle, held.Interval, held.Count = r.Got.Idle, r.Got.Interval, r.Got.Count
		}
		if r.Effective.Pace == -1 {
			held.Pace = systemPace
		}
		if r.Got != held {
			t.Errorf("%v: holds %v, want %v", k, r.Got, held)
		}
		checkWindowHeld(t, k, r)
	}
}

func checkWindowHeld(t *testing.T, k sockopt.KeepAlive, r sockopt.Report) {
	t.Helper()
	planned, held := [2]any{}, [2]any{}
	planned[0], planned[1] = mustPlan(t, sockopt.Current(), k).Window()
	held[0], held[1] = r.Window()
	if planned != held {
		t.Errorf("%v: window planned %v, held %v", k, planned, held)
	}
}

func TestApplyLeavesAloneWhatIsMinusOne(t *testing.T) {
	c, _ := pair(t, net.Dialer{}, plain())
	before := apply(t, c, sockopt.KeepAlive{Idle: 7 * sec, Interval: 8 * sec, Count: 9, StallTimeout: 4321 * ms, Pace: 7 * sec}).Got
	r := apply(t, c, sockopt.KeepAlive{Idle: -1, Interval: -1, Count: 4, UserTimeout: -1, StallTimeout: -1, Pace: -1})
	pace := systemPace
	if paced {
		pace = 7 * sec
	}
	want := before
	want.Count, want.Pace = 4, pace
	if r.Got != want {
		t.Errorf("holds %v, want %v", r.Got, want)
	}
	if s := []string{"set", "left alone", "left alone", "set", "left alone", "left alone", "left alone"}; !cmp.Equal(statuses(r), s) {
		t.Errorf("%q", statuses(r))
	}
	if r = apply(t, c, sockopt.KeepAlive{Disabled: true}); r.Err() != nil || !r.Got.Disabled || r.Got.StallTimeout != 4321*ms || r.Got.UserTimeout != 4321*ms || r.Got.Pace != pace {
		t.Errorf("disabled: %v, %v", r.Got, r.Err())
	}
	if earliest, _ := r.Window(); earliest != sockopt.Never {
		t.Errorf("disabled: noticed after %v", earliest)
	}
}

func TestByDefaultThereIsAPaceAndNoUserTimeout(t *testing.T) {
	pace := systemPace
	if paced {
		pace = 2500 * ms
	}
	c, server := pair(t, net.Dialer{}, plain())
	for _, conn := range []*net.TCPConn{c, server} {
		r := apply(t, conn, sockopt.KeepAlive{})
		if got := get(t, conn); got.UserTimeout != 0 || got.StallTimeout != 0 || got.Pace != pace || got.Count != 8 || r.Err() != nil {
			t.Errorf("%v, %v", got, r.Err())
		}
	}
}

func TestTheKernelTellsTheTimeoutOfThePath(t *testing.T) {
	c, _ := pair(t, net.Dialer{}, plain())
	if rto, err := sockopt.RTO(raw(t, c)); err != nil || rto < 200*ms || rto > sec {
		t.Errorf("%v, %v", rto, err)
	}
}

func TestInANamespaceOfFewRetriesThePaceIsLongerOrTheSystems(t *testing.T) {
	host := testnet.NewChain(t, 2)[0]
	if got := sockopt.Current().Retries2; got == 0 {
		t.Error("tcp_retries2 could not be read")
	}
	host.Sysctl("net/ipv4/tcp_retries2", "5")
	var p sockopt.Platform
	err := host.Do(func() error { p = sockopt.Current(); return nil })
	if err != nil || p.Retries2 != 5 {
		t.Fatalf("read %d, %v", p.Retries2, err)
	}
	for d, want := range map[time.Duration]time.Duration{3 * sec: sec, 5 * sec: 2 * sec, 30 * sec: -1} {
		if !paced {
			want = -1
		}
		if got := mustPlan(t, p, sockopt.Within(d)).Effective.Pace; got != want {
			t.Errorf("Within(%v): pace %v, want %v", d, got, want)
		}
	}
}

func TestARetrySettingIsThatOfTheSocketsNamespace(t *testing.T) {
	hosts := testnet.NewChain(t, 2)
	for host, setting := range map[*testnet.Host]string{hosts[0]: "5", hosts[1]: "7"} {
		host.Sysctl("net/ipv4/tcp_retries2", setting)
	}
	of := func() (n uint8) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		return tcpretries.Of(uintptr(fd))
	}
	ours := tcpretries.Setting()
	for range 3 {
		for want, host := range map[uint8]*testnet.Host{5: hosts[0], 7: hosts[1]} {
			_ = host.Do(func() error {
				for range 2 {
					if got := of(); got != want {
						t.Errorf("%d, want %d", got, want)
					}
				}
				return nil
			})
		}
		if got := of(); got != ours {
			t.Errorf("here %d, want %d", got, ours)
		}
	}
	// What was read is good for a second.
	hosts[0].Sysctl("net/ipv4/tcp_retries2", "6")
	deadline := time.Now().Add(5 * sec)
	for got := uint8(0); got != 6; {
		_ = hosts[0].Do(func() error { got = of(); return nil })
		if time.Now().After(deadline) {
			t.Fatalf("%d for five seconds", got)
		}
	}
}

func TestWhatIsSetBeforeTheConnectIsNotSetAgain(t *testing.T) {
	early, late := mustPlan(t, sockopt.Current(), sockopt.KeepAlive{StallTimeout: time.Minute}).Split()
	d := net.Dialer{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error { return early.Set(c) }}
	c, server := pair(t, d, plain())
	for _, conn := range []*net.TCPConn{c, server} { // of which the second holds nothing of it
		r, err := late.Apply(raw(t, conn))
		if err != nil || r.Err() != nil || r.Got.Idle != r.Effective.Idle || r.Got.Count != 8 || r.Got.UserTimeout != time.Minute || r.Got.Disabled {
			t.Errorf("%v, %v, %v", err, r.Err(), r)
		}
		if whole := apply(t, conn, sockopt.KeepAlive{StallTimeout: time.Minute}); whole != r {
			t.Errorf("%v, but the whole plan: %v", r, whole)
		}
	}
	if err := early.Set(raw(t, c)); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := early.Set(raw(t, c)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestAFreshSocketHasTheSystemsValuesAndNoUserTimeout(t *testing.T) {
	c, _ := pair(t, net.Dialer{KeepAlive: -1}, plain())
	got := get(t, c)
	if !got.Disabled || got.UserTimeout != 0 || got.StallTimeout != 0 || got.Pace != systemPace || got.Idle <= 0 || got.Interval <= 0 || got.Count <= 0 {
		t.Errorf("%v", got)
	}
}

func TestTheKernelRefusesWhatThePlanRefuses(t *testing.T) {
	c, _ := pair(t, net.Dialer{}, plain())
	plan := mustPlan(t, sockopt.Current(), sockopt.KeepAlive{StallTimeout: sec})
	for i, values := range map[int]map[int]bool{
		1: {0: false, -1: false, 1: true, 32767: true, 32768: false, 40000: false, 1 << 30: false},
		2: {0: false, -1: false, 1: true, 32767: true, 32768: false},
		3: {0: false, -1: false, 1: true, 127: true, 128: false, 200: false},
		4: {-1: false, 0: true, 1: true, 4001: true, 1<<31 - 1: true},
		5: {-1: false, 0: false, 999: false, 1000: true, 120000: true, 120001: false},
	} {
		if i == len(plan.Ops) && !paced {
			continue // the kernel has no such option
		}
		for v, accepted := range values {
			before := get(t, c)
			err := sockopt.SetRaw(raw(t, c), plan.Ops[i], v)
			switch {
			case accepted && err != nil:
				t.Errorf("%s %d: %v", plan.Ops[i].Name, v, err)
			case !accepted && !errors.Is(err, syscall.EINVAL):
				t.Errorf("%s %d: %v, want EINVAL", plan.Ops[i].Name, v, err)
			case !accepted && get(t, c) != before:
				t.Errorf("%s %d: refused, but changed %v to %v", plan.Ops[i].Name, v, before, get(t, c))
			}
		}
	}
}

// Package net sets its own keepalive after Control, unless told not to.
func TestADialerOverwritesControlUnlessItsKeepAliveIsNegative(t *testing.T) {
	asked := sockopt.KeepAlive{Idle: 7 * sec, Interval: 8 * sec, Count: 9, UserTimeout: 4321 * ms}
	held := asked
	held.StallTimeout, held.Pace = asked.UserTimeout, systemPace
	for _, test := range []struct {
		name      string
		keepAlive time.Duration
		config    net.KeepAliveConfig
		want      sockopt.KeepAlive
	}{
		{"zero", 0, net.KeepAliveConfig{}, sockopt.KeepAlive{Idle: 15 * sec, Interval: 15 * sec, Count: 9, UserTimeout: 4321 * ms}},
		{"-1", -1, net.KeepAliveConfig{}, held},
		{"1ns", 1, net.KeepAliveConfig{}, sockopt.KeepAlive{Idle: sec, Interval: 15 * sec, Count: 9, UserTimeout: 4321 * ms}},
		{"all -1", 0, net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}, held},
		{"out of range is swallowed", 0, net.KeepAliveConfig{Enable: true, Idle: 40000 * sec, Interval: 5 * sec, Count: 5}, held},
	} {
		d := net.Dialer{KeepAlive: test.keepAlive, KeepAliveConfig: test.config, Control: sockopt.Control(asked)}
		c, _ := pair(t, d, plain())
		test.want.StallTimeout, test.want.Pace = held.StallTimeout, held.Pace
		if got := get(t, c); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestAcceptedConnectionsInheritFromAPlainListener(t *testing.T) {
	asked := sockopt.KeepAlive{Idle: 7 * sec, Interval: 8 * sec, Count: 9, UserTimeout: 4321 * ms}
	lc := plain()
	lc.Control = sockopt.Control(asked)
	held := asked
	held.StallTimeout, held.Pace = asked.UserTimeout, systemPace
	if _, s := pair(t, net.Dialer{}, lc); get(t, s) != held {
		t.Errorf("%v, want %v", get(t, s), held)
	}
}

// mptcp skips where the kernel does not do MPTCP.
func mptcp(t *testing.T) {
	testnet.NeedLinux(t, 5, 16, "a word on Multipath TCP (MPTCP_INFO)")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		testnet.Missing(t, "MPTCP (net.mptcp.enabled)")
	}
	unix.Close(fd)
}

func TestAnMPTCPSocketRefusesThePaceAndTheStallTimeoutAndNothingElse(t *testing.T) {
	mptcp(t)
	var d net.Dialer
	d.SetMultipathTCP(true)
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	c, s := pair(t, d, lc)
	for _, conn := range []*net.TCPConn{c, s} {
		if p := protocol(t, conn); p != unix.IPPROTO_MPTCP {
			t.Fatalf("protocol %d", p)
		}
		k := sockopt.KeepAlive{Idle: sec, Interval: 2 * sec, Count: 2}
		r := apply(t, conn, k)
		pace := r.Options[6]
		if r.Err() != nil || paced && (pace.Status() != "unsupported" || !errors.Is(pace.Err, syscall.ENOPROTOOPT) || pace.Name != "TCP_RTO_MAX_MS" || !pace.Optional) {
			t.Errorf("%v: %v", pace, r.Err())
		}
		k.StallTimeout = 4 * sec
		err := apply(t, conn, k).Err()
		if !errors.Is(err, syscall.ENOPROTOOPT) || err.Error() != "sockopt: TCP_USER_TIMEOUT (stall_timeout 4000ms): protocol not available" {
			t.Errorf("%v", err)
		}
		k.StallTimeout, k.Pace = 0, 3*sec
		err = apply(t, conn, k).Err()
		if !paced && !errors.Is(err, errors.ErrUnsupported) ||
			paced && (!errors.Is(err, syscall.ENOPROTOOPT) || err.Error() != "sockopt: TCP_RTO_MAX_MS (pace 3000ms): protocol not available") {
			t.Errorf("%v", err)
		}
		want := sockopt.KeepAlive{Idle: sec, Interval: 2 * sec, Count: 2, UserTimeout: -1, StallTimeout: -1, Pace: -1}
		if r.Got != want {
			t.Errorf("holds %v, want %v", r.Got, want)
		}
	}
}

func TestControlMakesAnMPTCPListenerFallBackToPlainTCP(t *testing.T) {
	mptcp(t)
	lc := net.ListenConfig{KeepAlive: -1, Control: sockopt.Control(sockopt.Within(10 * sec))}
	lc.SetMultipathTCP(true)
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if p := protocol(t, ln.(*net.TCPListener)); p != unix.IPPROTO_TCP {
		t.Errorf("protocol %d", p)
	}
	if got := get(t, ln.(*net.TCPListener)); got.UserTimeout != 7*sec {
		t.Errorf("%v", got)
	}
	// With nothing to refuse it stays what package net makes it.
	lc.Control = sockopt.Control(sockopt.KeepAlive{UserTimeout: -1})
	ln2, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln2.Close()
	if p := protocol(t, ln2.(*net.TCPListener)); p != unix.IPPROTO_MPTCP {
		t.Errorf("protocol %d", p)
	}
}

func TestAConnectionAcceptedFromPlainTCPOverAnMPTCPListenerTakesEverything(t *testing.T) {
	mptcp(t)
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	_, s := pair(t, net.Dialer{}, lc)
	if r := apply(t, s, sockopt.KeepAlive{}); r.Err() != nil {
		t.Error(r.Err())
	}
}

func TestControlRefusesAnInvalidRequestBeforeConnecting(t *testing.T) {
	d := net.Dialer{Control: sockopt.Control(sockopt.KeepAlive{Idle: 40000 * sec})}
	_, err := d.Dial("tcp", "127.0.0.1:1")
	if re, ok := errors.AsType[*sockopt.RangeError](err); !ok || re.Field != "Idle" {
		t.Errorf("%v", err)
	}
}

func TestControlDoesNothingToOtherSockets(t *testing.T) {
	d := net.Dialer{Control: sockopt.Control(sockopt.KeepAlive{Count: 1000})}
	for _, network := range []string{"udp", "udp4"} {
		c, err := d.Dial(network, "127.0.0.1:9")
		if err != nil {
			t.Errorf("%s: %v", network, err)
			continue
		}
		c.Close()
	}
	ln, err := net.Listen("unix", "@hale-sockopt-test")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := d.Dial("unix", "@hale-sockopt-test")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestControlMayRunConcurrently(t *testing.T) {
	control := sockopt.Control(sockopt.Within(5 * sec))
	done := make(chan error)
	c, s := pair(t, net.Dialer{}, plain())
	for _, conn := range []*net.TCPConn{c, s} {
		rc := raw(t, conn)
		go func() { done <- control("tcp4", "", rc) }()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTheUserTimeoutInControlAlsoBoundsTheConnect(t *testing.T) {
	// A listener with a full queue answers no SYN.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*unix.SockaddrInet4).Port}
	d := net.Dialer{Timeout: 10 * sec, KeepAlive: -1, Control: sockopt.Control(sockopt.KeepAlive{UserTimeout: 1500 * ms})}
	for range 3 { // the first fills the queue
		start := time.Now()
		c, err := d.Dial("tcp4", address.String())
		if err == nil {
			defer c.Close()
			continue
		}
		if took := time.Since(start); !errors.Is(err, syscall.ETIMEDOUT) || took < 1400*ms || took > 2500*ms {
			t.Errorf("%v after %v", err, took)
		}
		return
	}
	t.Error("the queue did not fill up")
}

func TestApplyOnAClosedConnectionFails(t *testing.T) {
	c, _ := pair(t, net.Dialer{}, plain())
	rc := raw(t, c)
	c.Close()
	if _, err := mustPlan(t, sockopt.Current(), sockopt.KeepAlive{}).Apply(rc); !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "sockopt: ") {
		t.Errorf("Apply: %v", err)
	}
	if _, err := sockopt.Get(rc); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Get: %v", err)
	}
}

// So that nobody takes a successful Apply for a sign of life.
func TestApplyOnADeadConnectionSucceeds(t *testing.T) {
	c, s := pair(t, net.Dialer{}, plain())
	if err := errors.Join(s.SetLinger(0), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%v", err)
	}
	if r := apply(t, c, sockopt.KeepAlive{}); r.Err() != nil {
		t.Error(r.Err())
	}
}

func TestAPlanForAnotherSystemIsNotApplied(t *testing.T) {
	c, _ := pair(t, net.Dialer{}, plain())
	before := get(t, c)
	for _, p := range []sockopt.Platform{on("windows"), on("android"), on("")} {
		_, err := mustPlan(t, p, sockopt.KeepAlive{}).Apply(raw(t, c))
		if err == nil || !strings.Contains(err.Error(), p.GOOS) || get(t, c) != before {
			t.Errorf("%v: %v, %v", p, err, get(t, c))
		}
	}
	if _, err := (sockopt.Plan{}).Apply(raw(t, c)); err == nil {
		t.Error("the zero plan was applied")
	}
}

func TestControlIsNilWhereADialerCannotHaveOne(t *testing.T) {
	for _, name := range []string{"js", "wasip1", "plan9"} {
		if sockopt.ControlOn(on(name), sockopt.KeepAlive{}) != nil {
			t.Errorf("%s: not nil", name)
		}
	}
}

func TestCurrentIsThisKernel(t *testing.T) {
	p := sockopt.Current()
	if p.GOOS != "linux" || p.Major < 3 {
		t.Errorf("%v", p)
	}
}

// SO_KEEPALIVE's numbers are those of the running architecture.
func TestThePlansNumbersAreThoseOfTheHeaders(t *testing.T) {
	plan := mustPlan(t, on("linux"), sockopt.KeepAlive{StallTimeout: sec})
	for i, want := range []int{unix.SO_KEEPALIVE, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_USER_TIMEOUT, 44} {
		if int(plan.Ops[i].Number) != want {
			t.Errorf("%v, want %d", plan.Ops[i], want)
		}
	}
}
