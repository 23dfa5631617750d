//go:build linux && !hale_sweep

package hale

import (
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/twin"
	"example.com/hale/sockopt"
)

// The peer is silent for longer than was promised, and this process stopped for most
// of that. It is there again when the process goes on: the next asking shows it. While
// data is in flight, or the window shut, that is the kernel's, a second later at most.
func TestAPeerThatIsBackWhenAStandstillEndsLives(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"idle", "in flight", "window shut"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			if address, ok := twin.Role(t); ok {
				beStopped(t, address, state)
				return
			}
			l := testnet.Listen(t)
			p := twin.Start(t, l.Addr().String())
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			p.Line() // it is in the state
			thaw := testnet.Freeze(t, server)
			p.Line() // the watch has seen that
			p.Stop()
			time.Sleep(3 * time.Second)
			thaw()
			time.Sleep(20 * time.Millisecond)
			p.Continue()
			if line := p.Line(); line != "alive" {
				t.Error(line)
			}
			p.End()
		})
	}
}

func beStopped(t *testing.T, address, state string) {
	conn, err := (&Dialer{KeepAlive: sockopt.Within(4 * time.Second)}).Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(*Conn)
	defer c.Close()
	if state == "window shut" {
		go func() {
			for b := make([]byte, 64<<10); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}()
		for info, _ := c.Info(); info.Unsent == 0 || info.Unacked > 0; info, _ = c.Info() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	twin.Say("%s", state)
	if state == "in flight" {
		time.Sleep(100 * time.Millisecond) // until the peer is frozen, or it is idle
		c.Write([]byte("x"))
	}
	for info, _ := c.Info(); info.Silence() < 2*time.Second; info, _ = c.Info() {
		time.Sleep(10 * time.Millisecond)
	}
	twin.StandStill(2*time.Second, "silent")
	select {
	case <-c.Done():
		twin.Say("%v", c.Err())
	case <-time.After(2 * time.Second):
		twin.Say("alive")
	}
}
