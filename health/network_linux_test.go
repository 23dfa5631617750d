package health

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/lab/testnet"
)

// apart dials from one machine to another, over a cable.
func apart(t *testing.T, d *net.Dialer, lc *net.ListenConfig) (client *net.TCPConn, hosts []*testnet.Host) {
	t.Helper()
	hosts = testnet.NewChain(t, 2)
	var l net.Listener
	err := hosts[1].Do(func() (err error) {
		l, err = lc.Listen(context.Background(), "tcp", "10.77.0.2:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, err := hosts[0].Dial(t.Context(), d, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return c.(*net.TCPConn), hosts
}

func TestANeighbourThatDoesNotResolveIsUnreachable(t *testing.T) {
	t.Parallel()
	lc := &net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	client, hosts := apart(t, &net.Dialer{KeepAlive: -1}, lc)
	timers{1, 1, 3, 4000}.set(t, client)
	// The address moves away, and nobody answers for it any more.
	hosts[1].IP("addr del " + hosts[1].Addr(testnet.Left) + "/24 dev left")
	hosts[0].IP("neigh flush dev right")
	bound(t, client, 20*time.Second)
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err := client.Read(make([]byte, 1))
	var ne net.Error
	if !errors.Is(err, syscall.EHOSTUNREACH) || !errors.As(err, &ne) || ne.Timeout() {
		t.Errorf("%v", err)
	}
	if dead := Diagnose(client, err); dead == nil || dead.Cause != Unreachable {
		t.Errorf("diagnosed as %v", dead)
	}
}

// What a firewall that rejects says (RFC 792, code 2 and 3; RFC 1812, code 13) is the
// error of the connection, once the kernel gives it up.
func TestAPacketThatIsRejectedMeansUnreachable(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]syscall.Errno{
		"port-unreachable": syscall.ECONNREFUSED,
		"prot-unreachable": syscall.ENOPROTOOPT,
		"host-unreachable": syscall.EHOSTUNREACH,
		"admin-prohibited": syscall.EHOSTUNREACH,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			lc := &net.ListenConfig{KeepAlive: -1}
			lc.SetMultipathTCP(false)
			client, hosts := apart(t, &net.Dialer{KeepAlive: -1}, lc)
			timers{1, 1, 3, 2000}.set(t, client)
			hosts[1].Firewall("table ip guard { chain in { type filter hook input priority filter; meta l4proto tcp reject with icmp type " + reason + "; }; }")
			bound(t, client, 20*time.Second)
			if _, err := client.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			_, err := client.Read(make([]byte, 1))
			if !errors.Is(err, want) || !IsDead(err) {
				t.Errorf("%v, dead: %v", err, IsDead(err))
			}
			if dead := Diagnose(client, err); dead == nil || dead.Cause != Unreachable {
				t.Errorf("diagnosed as %v", dead)
			}
		})
	}
}

func TestALinkOfThisMachineThatIsDownIsUnreachable(t *testing.T) {
	t.Parallel()
	lc := &net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	client, hosts := apart(t, &net.Dialer{KeepAlive: -1}, lc)
	timers{1, 1, 3, 4000}.set(t, client)
	hosts[0].Unplug(testnet.Right)
	bound(t, client, 20*time.Second)
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err := client.Read(make([]byte, 1))
	if dead := Diagnose(client, err); dead == nil || dead.Cause != Unreachable {
		t.Errorf("%v: diagnosed as %v, %+v", err, dead, dead.Info)
	}
}

func TestAnMPTCPConnectionDiesLateAndAsNotConnected(t *testing.T) {
	t.Parallel()
	testnet.NeedLinux(t, 6, 7, "net.mptcp.close_timeout")
	lc, d := &net.ListenConfig{KeepAlive: -1}, &net.Dialer{KeepAlive: -1}
	lc.SetMultipathTCP(true)
	d.SetMultipathTCP(true)
	client, hosts := apart(t, d, lc)
	if mp, err := client.MultipathTCP(); !mp {
		testnet.Missing(t, "MPTCP between its own network namespaces "+errText(err))
	}
	hosts[0].Sysctl("net/mptcp/close_timeout", "2")
	timers{1, 1, 1, 0}.set(t, client)
	hosts[0].BlackHole(testnet.Right, hosts[1])
	bound(t, client, 60*time.Second)
	start := time.Now()
	_, err := client.Read(make([]byte, 1))
	took := time.Since(start)
	var ne net.Error
	if !errors.Is(err, syscall.ENOTCONN) || !errors.As(err, &ne) || ne.Timeout() {
		t.Errorf("%v", err)
	}
	if took < 3*time.Second { // the subflow's two, and more
		t.Errorf("after %v already", took)
	}
	if dead := Diagnose(client, err); dead == nil || dead.Cause != KeepAliveTimeout {
		info := inspectT(t, client)
		t.Errorf("diagnosed as %v, %+v", dead, info)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimSpace(err.Error())
}

func TestTheOrderOfTheOptionsMattersOnALiveConnection(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		options []int
		want    time.Duration // from the switching on
	}{
		{"on first: probed at once, the idle time is over", []int{unix.SO_KEEPALIVE, unix.TCP_KEEPIDLE}, time.Second},
		{"on last: a whole idle time from now", []int{unix.TCP_KEEPIDLE, unix.SO_KEEPALIVE}, 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			testnet.Freeze(t, server)
			timers{interval: 1, count: 1}.set(t, client)
			bound(t, client, 20*time.Second)
			waitFor(t, client, func(i Info) bool { return i.Silence() > 2500*time.Millisecond })
			start := time.Now()
			for _, o := range test.options {
				setOne(t, client, o)
			}
			_, err := client.Read(make([]byte, 1))
			died(t, start, test.want, test.want)
			if dead := Diagnose(client, err); dead == nil || dead.Cause != KeepAliveTimeout {
				t.Errorf("%v: %v", err, dead)
			}
		})
	}
}

// setOne turns keepalive on, or sets the idle time to two seconds.
func setOne(t *testing.T, c *net.TCPConn, option int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		if option == unix.SO_KEEPALIVE {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, option, 2)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
