package pool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"example.com/hale"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// client is what is pooled here: a line-based protocol on a connection.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func (c *client) ask(line string) (string, error) {
	if _, err := fmt.Fprintln(c.conn, line); err != nil {
		return "", err
	}
	return c.in.ReadString('\n')
}

// newClients is a pool of clients for the server at addr. A server that
// vanishes is noticed within 10 s.
func newClients(addr string) (*pool.Pool[*client], error) {
	dialer := hale.Dialer{KeepAlive: sockopt.Within(10 * time.Second)}
	return pool.New(pool.Config[*client]{
		Dial: func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) },
		Open: func(_ context.Context, conn net.Conn) (*client, error) {
			return &client{conn: conn, in: bufio.NewReader(conn)}, nil
		},
		MaxConns:        8,
		MinConns:        1,
		MaxConnLifetime: time.Hour,
	})
}

// echo serves lines until the listener is closed.
func echo() (addr string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String(), func() { l.Close() }
}

func ExampleNew() {
	addr, stop := echo()
	defer stop()
	p, err := newClients(addr)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.New(pool.Config[net.Conn]{MaxConns: 1})
	fmt.Println(err)
	// Output: pool: Dial nil: a pool needs a way to connect
}

// A pool of a client of one's own, with at least one connection open, whose
// server is asked every minute whether it still serves.
func ExampleConfig() {
	addr, stop := echo()
	defer stop()
	dialer := hale.Dialer{KeepAlive: sockopt.Within(10 * time.Second)}
	p, err := pool.New(pool.Config[*client]{
		Dial: func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) },
		Open: func(_ context.Context, conn net.Conn) (*client, error) {
			return &client{conn: conn, in: bufio.NewReader(conn)}, nil
		},
		Close: func(c *client) error { return c.conn.Close() },
		Check: func(_ context.Context, c *client) error {
			_, err := c.ask("ping")
			return err
		},
		MaxConns:  8,
		MinConns:  1,
		Heartbeat: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(p.Stats().MaxConns)
	// Output: 8
}

func ExamplePool_Do() {
	addr, stop := echo()
	defer stop()
	p, err := newClients(addr)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var reply string
	err = p.Do(ctx, func(_ context.Context, c *client) (err error) {
		reply, err = c.ask("hello")
		return err
	})
	if pool.SafeToRetry(err) {
		fmt.Println("nothing was sent")
	}
	fmt.Print(reply)
	// Output: hello
}

func ExampleConn() {
	addr, stop := echo()
	defer stop()
	p, err := newClients(addr)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := p.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Release() // does nothing after a Close

	reply, err := conn.Value().ask("hello")
	if err != nil {
		conn.Close() // a reply may still be under way: nobody else must get it
		log.Fatal(err)
	}
	fmt.Print(reply)
	// Output: hello
}

func ExampleIdempotent() {
	addr, stop := echo()
	defer stop()
	p, err := newClients(addr)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	// A lookup may run twice, so it survives a connection that dies under it.
	err = p.Do(pool.Idempotent(context.Background()), func(_ context.Context, c *client) error {
		_, err := c.ask("get key")
		return err
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleSafeToRetry() {
	err := fmt.Errorf("save: %w", pool.ErrClosed)
	fmt.Println(pool.SafeToRetry(err), pool.SafeToRetry(errors.New("some reply")))
	// Output: true false
}

func ExamplePool_Shutdown() {
	addr, stop := echo()
	defer stop()
	p, err := newClients(addr)
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	aborted, err := p.Shutdown(ctx)
	fmt.Println(aborted, err)
	// Output: 0 <nil>
}
