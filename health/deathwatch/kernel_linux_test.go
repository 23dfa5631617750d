package deathwatch

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
)

// timers sets the options on c; zero leaves one alone.
type timers struct{ idle, interval, count, userTimeout int }

func (k timers) set(t *testing.T, c *net.TCPConn) {
	t.Helper()
	for _, o := range []struct{ level, option, v int }{
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, k.idle},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, k.interval},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, k.count},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, k.userTimeout},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, min(k.idle, 1)},
	} {
		if o.v > 0 {
			onSocket(t, c, func(fd int) error { return unix.SetsockoptInt(fd, o.level, o.option, o.v) })
		}
	}
}

func option(t *testing.T, c syscall.Conn, option int) (v int) {
	t.Helper()
	onSocket(t, c, func(fd int) (err error) {
		v, err = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, option)
		return err
	})
	return v
}

func onSocket(t *testing.T, c syscall.Conn, f func(fd int) error) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = rawconn.Control(raw, func(fd uintptr) error { return f(int(fd)) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// short gives an idle connection up after two seconds.
var short = timers{idle: 1, interval: 1, count: 1}

func frozenPair(t *testing.T, k timers) (client, server *net.TCPConn) {
	t.Helper()
	client, server = testnet.Pair(t)
	k.set(t, client)
	testnet.Freeze(t, server)
	return client, server
}

// bound gives up on calls that block for longer than any case here may take.
func bound(t *testing.T, c net.Conn, d time.Duration) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// fill writes until the peer's window is shut.
func fill(t *testing.T, c *net.TCPConn) {
	t.Helper()
	c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	b := make([]byte, 1<<20)
	for {
		if _, err := c.Write(b); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	c.SetWriteDeadline(time.Time{})
}

func inspect(t *testing.T, c *net.TCPConn) health.Info {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	info, err := health.Inspect(raw)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// waitFor polls the kernel until cond holds. There is no event to wait for:
// a probe that goes unanswered makes none.
func waitFor(t *testing.T, c *net.TCPConn, cond func(health.Info) bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !cond(inspect(t, c)) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to that: %+v", inspect(t, c))
		}
		time.Sleep(2 * time.Millisecond)
	}
}
