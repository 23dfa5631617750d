package pool_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/pool"
)

// serveUnasked answers "pong" to each line, and says "idle" a second after the last, once.
func serveUnasked(t *testing.T) string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				var timer *time.Timer
				for s := bufio.NewScanner(c); s.Scan(); {
					if timer != nil {
						timer.Stop()
					}
					fmt.Fprintln(c, "pong")
					timer = time.AfterFunc(time.Second, func() { fmt.Fprintln(c, "idle") })
				}
			}()
		}
	}()
	return l.Addr().String()
}

// askUnasked reads byte by byte, so that nothing is kept anywhere but in the socket.
func askUnasked(c net.Conn) (string, error) {
	if _, err := fmt.Fprintln(c, "ping"); err != nil {
		return "", err
	}
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := c.Read(b); err != nil || b[0] == '\n' {
			return string(line), err
		}
		line = append(line, b[0])
	}
}

func checkUnasked(_ context.Context, c net.Conn) error {
	line, err := askUnasked(c)
	if err == nil && line != "pong" {
		err = fmt.Errorf("got %q", line)
	}
	return err
}

func openUnasked(ctx context.Context, c net.Conn) (net.Conn, error) { return c, checkUnasked(ctx, c) }

func dialUnasked(address string) func(ctx context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return new(hale.Dialer).DialContext(ctx, "tcp", address) }
}

// Check would take what lies unread for its answer, and a server that answers would
// be an outage.
func TestAHeartbeatLooksBeforeItChecks(t *testing.T) {
	t.Parallel()
	var outages atomic.Int32
	evicted := make(chan pool.EvictInfo, 10)
	p, err := pool.New(pool.Config[net.Conn]{
		Dial: dialUnasked(serveUnasked(t)), Open: openUnasked, Check: checkUnasked, MaxConns: 1, MinConns: 1, Heartbeat: 1500 * time.Millisecond,
		Observer: &pool.Observer{
			OutageBegin: func(o pool.Outage) { outages.Add(1); t.Logf("outage: %v", o) },
			Evict:       func(i pool.EvictInfo) { evicted <- i },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if i := <-evicted; i.Reason != pool.ReasonUnread {
		t.Errorf("%v", i)
	}
	if n := outages.Load(); n > 0 {
		t.Errorf("%d outages, recycled %v", n, p.Stats().Recycled)
	}
}

// What was said after Open had returned is no greeting.
func TestTheFirstUseGetsACleanConnection(t *testing.T) {
	t.Parallel()
	dial, dialled := dialUnasked(serveUnasked(t)), make(chan net.Conn, 10)
	p, err := pool.New(pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			c, err := dial(ctx)
			if err == nil {
				dialled <- c
			}
			return c, err
		},
		Open: openUnasked, Check: checkUnasked, MaxConns: 1, MinConns: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	first := (<-dialled).(*hale.Conn)
	eventually(t, "that the peer speaks, a second after Open", func() bool {
		info, err := first.Info()
		return err == nil && info.BytesReceived == uint64(len("pong\nidle\n"))
	})
	if err := p.Do(t.Context(), checkUnasked); err != nil {
		t.Error(err)
	}
}
