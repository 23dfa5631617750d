//go:build linux && !hale_sweep

package hale

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
		"a raw setsockopt": func(c *Conn) error {
			return rawconn.Control(c.socket, func(fd uintptr) error {
				return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60)
			})
		},
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
