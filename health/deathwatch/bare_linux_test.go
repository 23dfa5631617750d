//go:build linux && !hale_sweep

package deathwatch

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

// Not parallel: for as long as it runs, this kernel counts as one that fills no
// TCP_INFO. What it finds by itself is told all the same.
func TestWhereTCPInfoIsEmptyTheKernelsOwnFindingsAreTold(t *testing.T) {
	before := fills
	defer func() { fills = before }()
	fills = func(*unix.TCPInfo) bool { return false }
	filled.Store(false)
	for name, test := range map[string]struct {
		happen func(client, server *net.TCPConn)
		what   string
		want   health.Cause
	}{
		"closed":                {func(_, server *net.TCPConn) { server.Close() }, "fin", health.PeerClosed},
		"reset":                 {func(_, server *net.TCPConn) { reset(server) }, "dead", health.Reset},
		"gone":                  {func(_, server *net.TCPConn) { testnet.Freeze(t, server) }, "dead", health.KeepAliveTimeout},
		"gone, then written to": {func(c, server *net.TCPConn) { testnet.Freeze(t, server); c.Write([]byte("x")) }, "dead", health.SendTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := testnet.Pair(t)
			timers{idle: 1, interval: 1, count: 1, userTimeout: 2000}.set(t, client)
			n, s := supervise(t, client, Limits{Idle: time.Second, Silence: time.Second, Ask: true})
			if !s.DeathsOnly() {
				t.Fatal("it is watched over, it says")
			}
			if _, err := s.Ping(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
				t.Error("a ping:", err)
			}
			test.happen(client, server)
			if got := n.next(t, test.what); got.dead.Cause != test.want {
				t.Errorf("%v", got.dead)
			}
		})
	}
}
