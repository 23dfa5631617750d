package pool

import (
	"net"
	"strings"
	"testing"

	"example.com/hale/internal/lab/hookstest"
)

func TestEveryInfoCanBePrintedAndLogged(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	// A death that names its peer needs no connection for that.
	hookstest.Print[Observer](t, []string{"Context", "Conn"}, near, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5432}, ips("192.0.2.1"))
}

func TestAConnectionThatDidNotDieNamesItsPeer(t *testing.T) {
	t.Parallel()
	got := EvictInfo{Reason: ReasonIdle, Conn: &fakeConn{addr: "server:7"}}.String()
	if !strings.Contains(got, "network.peer.address=server network.peer.port=7") {
		t.Error(got)
	}
}
