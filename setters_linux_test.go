//go:build linux && !hale_sweep

package hale

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
	"example.com/hale/sockopt"
)

// Whatever is set later holds for the watch as for the kernel, whoever sets it
// and however.
func TestOptionsThatAreSetLaterHoldForTheWatch(t *testing.T) {
	t.Parallel()
	longer := net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 3}
	for name, set := range map[string]func(c *Conn) error{
		"SetKeepAliveConfig": func(c *Conn) error { return c.SetKeepAliveConfig(longer) },
		"SetKeepAlivePeriod": func(c *Conn) error { return c.SetKeepAlivePeriod(time.Minute) },
		"SetOptions": func(c *Conn) error {
			_, err := c.SetOptions(sockopt.Within(time.Minute))
			return err
		},
		"TCP_KEEPIDLE, past the Conn":     setRaw(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60),
		"TCP_KEEPINTVL, past the Conn":    setRaw(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 60),
		"TCP_USER_TIMEOUT, past the Conn": setRaw(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 60_000),
	} {
		for _, state := range []string{"idle", "in flight"} {
			t.Run(name+", "+state, func(t *testing.T) {
				t.Parallel()
				client, server := connect(t, &Dialer{KeepAlive: sockopt.Within(3 * time.Second)})
				if err := set(client); err != nil {
					t.Fatal(err)
				}
				testnet.Freeze(t, server)
				if state == "in flight" {
					client.Write([]byte("x"))
				}
				// An absence: by the options of before it would have died.
				time.Sleep(4500 * time.Millisecond)
				if err := client.Err(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestSetOptionsShortensThePromise(t *testing.T) {
	t.Parallel()
	client, server := connect(t, &Dialer{})
	report, err := client.SetOptions(sockopt.Within(3 * time.Second))
	if err != nil || report != client.Report() || report.Got.Idle != time.Second {
		t.Errorf("%v, %v", report, err)
	}
	testnet.Freeze(t, server)
	start := time.Now()
	waitDone(t, client)
	if after := time.Since(start); after > 3*time.Second {
		t.Errorf("dead after %v", after)
	}
	if _, err := client.SetOptions(sockopt.KeepAlive{Count: 1000}); err == nil {
		t.Error("a count of 1000 is taken")
	}
}

func TestWithoutKeepaliveNothingIsDoubted(t *testing.T) {
	t.Parallel()
	client, _ := connect(t, &Dialer{KeepAlive: sockopt.Within(3 * time.Second)})
	if err := client.SetKeepAlive(false); err != nil {
		t.Fatal(err)
	}
	if l := (*subject)(client).Limits(); l.Idle != 0 {
		t.Errorf("%+v", l)
	}
}

// heldOptions are those that a socket is to hold.
type heldOptions struct{ idle, interval, count, userTimeout, on int }

func heldBy(t *testing.T, c *Conn) (h heldOptions) {
	t.Helper()
	for v, option := range map[*int][2]int{
		&h.idle:        {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
		&h.interval:    {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
		&h.count:       {unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
		&h.userTimeout: {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
		&h.on:          {unix.SOL_SOCKET, unix.SO_KEEPALIVE},
	} {
		if err := rawconn.Control(c.socket, func(fd uintptr) (err error) {
			*v, err = unix.GetsockoptInt(int(fd), option[0], option[1])
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// setRaw sets an option past the Conn.
func setRaw(level, option, v int) func(*Conn) error {
	return func(c *Conn) error {
		return rawconn.Control(c.socket, func(fd uintptr) error { return unix.SetsockoptInt(int(fd), level, option, v) })
	}
}

// The watch has options of its own in a socket while it asks a peer that is silent:
// what others set then stands, the rest is put back when the peer is heard, and the
// verdict is by what was set.
func TestOptionsThatAreSetInADoubtHold(t *testing.T) {
	t.Parallel()
	options := func(d time.Duration) func(*Conn) error {
		return func(c *Conn) error { _, err := c.SetOptions(sockopt.Within(d)); return err }
	}
	config := net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Minute, Count: 64}
	for _, test := range []struct {
		name string
		set  func(c *Conn) error
		dies bool // within the 5 s of before
		want heldOptions
	}{
		{"nothing", func(*Conn) error { return nil }, true, heldOptions{2, 1, 8, 0, 1}},
		{"SetOptions, longer", options(30 * time.Second), false, heldOptions{13, 4, 8, 0, 1}},
		{"SetOptions, shorter", options(3 * time.Second), true, heldOptions{1, 1, 8, 0, 1}},
		{"SetKeepAliveConfig, as the watch has them", func(c *Conn) error { return c.SetKeepAliveConfig(config) }, false, heldOptions{1, 60, 64, 0, 1}},
		{"SetKeepAlivePeriod", func(c *Conn) error { return c.SetKeepAlivePeriod(time.Minute) }, false, heldOptions{60, 1, 8, 0, 1}},
		{"SetKeepAlive(false)", func(c *Conn) error { return c.SetKeepAlive(false) }, false, heldOptions{2, 1, 8, 0, 0}},
		{"SO_KEEPALIVE, past the Conn", setRaw(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0), false, heldOptions{2, 1, 8, 0, 0}},
		{"TCP_KEEPIDLE, past the Conn", setRaw(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60), false, heldOptions{60, 1, 8, 0, 1}},
		{"TCP_KEEPINTVL, past the Conn", setRaw(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 60), false, heldOptions{2, 60, 8, 0, 1}},
		{"TCP_KEEPCNT, past the Conn", setRaw(unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 100), false, heldOptions{2, 1, 100, 0, 1}},
		{"TCP_USER_TIMEOUT, past the Conn", setRaw(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 60_000), false, heldOptions{2, 1, 8, 60_000, 1}},
	} {
		for _, heals := range []bool{true, false} {
			t.Run(map[bool]string{true: "heals, ", false: "gone, "}[heals]+test.name, func(t *testing.T) {
				t.Parallel()
				client, server := connect(t, &Dialer{KeepAlive: sockopt.Within(5 * time.Second)})
				thaw := testnet.Freeze(t, server)
				start := time.Now()
				for heldBy(t, client).count == 8 { // until it asks
					time.Sleep(10 * time.Millisecond)
				}
				if err := test.set(client); err != nil {
					t.Fatal(err)
				}
				if !heals {
					// An absence, in all rows but two.
					time.Sleep(time.Until(start.Add(5300 * time.Millisecond)))
					if died := client.Err() != nil; died != test.dies {
						t.Errorf("dead: %t, %v", died, client.Err())
					}
					return
				}
				thaw()
				client.Write([]byte("x"))
				for deadline := start.Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
					got, state := heldBy(t, client), client.State()
					if got == test.want && state == health.Alive {
						return
					}
					if time.Now().After(deadline) {
						t.Fatalf("%v: %+v, want %+v", state, got, test.want)
					}
				}
			})
		}
	}
}

// Whatever was promised before.
func TestSetOptionsLeavesWhatADialWouldHave(t *testing.T) {
	t.Parallel()
	wishes := []sockopt.KeepAlive{
		{},
		{Disabled: true},
		sockopt.Within(3 * time.Second),
		sockopt.Within(10 * time.Minute),
		sockopt.Within(24 * time.Hour), // for which there is no pace
		{Within: 10 * time.Second, StallTimeout: 5 * time.Second},
		{Within: 10 * time.Second, Pace: 3 * time.Second},
		{Within: time.Minute, TolerateGap: 20 * time.Second},
		{Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 4},
		{Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 4, UserTimeout: 20 * time.Second},
	}
	dialled := make([]*Conn, len(wishes))
	for i, k := range wishes {
		dialled[i], _ = connect(t, &Dialer{KeepAlive: k})
	}
	for _, before := range wishes {
		for i, k := range wishes {
			c, _ := connect(t, &Dialer{KeepAlive: before})
			if _, err := c.SetOptions(k); err != nil {
				t.Fatal(err)
			}
			// As text, which leaves out what does not count where keepalive is off.
			if got, want := c.Report().Got.String(), dialled[i].Report().Got.String(); got != want {
				t.Errorf("from %v to %v:\n%v, want\n%v", before, k, got, want)
			}
			if got, want := c.known().limits, dialled[i].known().limits; got != want {
				t.Errorf("from %v to %v:\n%+v, want\n%+v", before, k, got, want)
			}
		}
	}
}
