package deathwatch

import (
	"io"
	"net"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

// What a Read was given is not lost to the watch. Wine 8 gives io.EOF to a Read
// that comes after the reset: then it is tried again, with more time for the
// Read to begin.
func TestAResetThatAReadWasGivenIsToldToo(t *testing.T) {
	t.Parallel()
	var client, server *net.TCPConn
	var err error
	for head := time.Duration(0); head < time.Second; head += 50 * time.Millisecond {
		client, server = testnet.Pair(t)
		client.SetReadDeadline(time.Now().Add(20 * time.Second))
		go func() { time.Sleep(head); reset(server) }()
		if _, err = client.Read(make([]byte, 1)); err != io.EOF {
			break
		}
	}
	if health.Classify(err) != health.Reset {
		t.Fatal("read:", err)
	}
	if dead := watchOver(t, client).next(t); dead.Cause != health.Reset {
		t.Error("the watch tells", dead)
	}
}
