package hale

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// peerEnv names the environment variable with the address of a peer that
// freezes each connection once a line has come in on it (internal/lab/winprobe).
// Windows itself cannot freeze one.
const peerEnv = "HALE_PEER"

// hostCount is Linux' net.ipv4.tcp_keepalive_probes, which stands under wine
// where SIO_KEEPALIVE_VALS, which has no count, sets the times. Windows' own
// count is 10.
const hostCount = 9

// late is what the machine may add, on top of what the numbers say: timers that
// are late, a sweep that comes once a second, and a busy processor.
const late = 3 * time.Second

// vanish dials the peer with keepalive of one second each, and makes it vanish.
func vanish(t *testing.T, o *Observer) (c *Conn, since time.Time) {
	t.Helper()
	address := os.Getenv(peerEnv)
	if address == "" {
		testnet.Missing(t, "a peer to be frozen: "+peerEnv+" has no address")
	}
	d := &Dialer{KeepAlive: secondly(t), Observer: o}
	conn, err := d.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte("freeze\n")); err != nil {
		t.Fatal(err)
	}
	return conn.(*Conn), time.Now()
}

// secondly is 1 s, 1 s, 3 where there is an option for the count, and otherwise
// the same with the count that is fixed there.
func secondly(t *testing.T) sockopt.KeepAlive {
	t.Helper()
	probe, _ := connect(t, new(Dialer))
	k := sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 3, UserTimeout: -1}
	if probe.Report().Path == "ioctl" {
		k.Count = probe.Report().Effective.Count
	}
	return k
}

// expect is within what time the connection has to die.
func expect(r sockopt.Report) (earliest, latest time.Duration) {
	_, latest = r.Window()
	earliest = latest
	if r.Path == "ioctl" {
		earliest = r.Effective.Idle + hostCount*r.Effective.Interval
	}
	return earliest - 100*time.Millisecond, latest + late
}

func TestAPeerThatVanishesIsDetected(t *testing.T) {
	t.Parallel()
	for _, reading := range []bool{true, false} {
		name, op := "by a blocked read", "read"
		if !reading {
			name, op = "by the watch, with nobody reading", "watch"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, seen := observe()
			c, since := vanish(t, o)
			if reading {
				bound(t, c, 20*time.Second)
				c.Read(make([]byte, 1))
			}
			waitDone(t, c)
			took := time.Since(since)
			r := c.Report()
			t.Logf("measured: path %s, %v: dead after %.2f s, %s: %v", r.Path, r.Effective, took.Seconds(), name, c.Err())
			if earliest, latest := expect(r); took < earliest || took > latest {
				t.Errorf("detected after %v, want %v to %v", took, earliest, latest)
			}
			isKeepAliveDeath(t, c, op)
			if e := seen.next(t, "dead"); e.conn != c || e.dead != c.Err() {
				t.Errorf("observed %v", e.dead)
			}
			seen.empty(t)
		})
	}
}

// isKeepAliveDeath checks what every caller is told about c from then on.
func isKeepAliveDeath(t *testing.T, c *Conn, op string) {
	t.Helper()
	dead := asDead(t, c.Err())
	if dead.Cause != health.KeepAliveTimeout || dead.Op != op || dead.Timeout() || c.State() != health.Dead {
		t.Errorf("%v: %s, %v", c.State(), dead.Op, dead)
	}
	if !errors.Is(dead, syscall.ETIMEDOUT) || !errors.Is(dead, windows.WSAETIMEDOUT) {
		t.Errorf("%v has lost the error of the system", dead)
	}
	_, read := c.Read(make([]byte, 1))
	_, write := c.Write(make([]byte, 1))
	for name, err := range map[string]error{"read": read, "write": write, "Err": c.Err()} {
		if err != error(dead) {
			t.Errorf("%s after the death: %v", name, err)
		}
	}
}
