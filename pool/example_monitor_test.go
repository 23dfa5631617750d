package pool_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"sync/atomic"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// A server stops answering while all connections are in use. Its kernel goes on
// acknowledging, so that nothing but a request tells.
func ExampleMonitor() {
	addr, hang, stop := moodyEcho()
	defer stop()
	p, err := pool.New(pool.Config[*client]{
		Dial: func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) },
		Open: func(_ context.Context, conn net.Conn) (*client, error) {
			c := &client{conn: conn, in: bufio.NewReader(conn)}
			_, err := c.ask("login")
			return c, err
		},
		Check: func(_ context.Context, c *client) error {
			_, err := c.ask("ping")
			return err
		},
		MaxConns:     1,
		CheckTimeout: 200 * time.Millisecond,
		Monitor:      pool.Monitor{After: 100 * time.Millisecond},                    // seconds, in a real program
		Observer:     &pool.Observer{Heartbeat: func(pool.HeartbeatInfo) { hang() }}, // once it has answered
	})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	conn, err := p.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Release()

	for err == nil {
		time.Sleep(200 * time.Millisecond) // long enough to be asked about
		_, err = conn.Value().ask("hello")
	}
	fmt.Println(health.Classify(err))
	// Output: heartbeat_failed
}

// moodyEcho is echo, until hang is called: then it reads, and does not answer.
func moodyEcho() (addr string, hang, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	var hung atomic.Bool
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				defer c.Close()
				for s := bufio.NewScanner(c); s.Scan(); {
					if !hung.Load() {
						fmt.Fprintln(c, s.Text())
					}
				}
			}()
		}
	}()
	return l.Addr().String(), func() { hung.Store(true) }, func() { l.Close() }
}
