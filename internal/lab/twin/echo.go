package twin

import (
	"net"
	"sync"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// Echo is the address of a server that answers every read with itself, after a
// delay. The delay has some of a second process's requests under way whenever
// that is stopped. The server ends with the test, when its clients have.
func Echo(t testing.TB, delay time.Duration) (address string) {
	l := testnet.Listen(t)
	var all sync.WaitGroup
	all.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			all.Go(func() { echo(c, delay) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

func echo(c net.Conn, delay time.Duration) {
	defer c.Close()
	b := make([]byte, 100)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		time.Sleep(delay)
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}
