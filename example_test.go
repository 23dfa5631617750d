package hale_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/sockopt"
)

// greeter accepts one connection, says hello, and closes it.
func greeter() (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer l.Close()
		if c, err := l.Accept(); err == nil {
			_, _ = io.WriteString(c, "hello")
			c.Close()
		}
	}()
	return l.Addr().String()
}

// hangUp accepts one connection, reads a request, and answers with a reset.
func hangUp() (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer l.Close()
		if c, err := l.Accept(); err == nil {
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	return l.Addr().String()
}

func ExampleDialer() {
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(10 * time.Second)}
	conn, err := dialer.DialContext(context.Background(), "tcp", greeter())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	fmt.Println(string(text), err)
	fmt.Println("a peer that vanishes is noticed within", conn.(*hale.Conn).Report().Asked.Within)
	// Output:
	// hello <nil>
	// a peer that vanishes is noticed within 10s
}

// A connection says why it died, to every call.
func ExampleConn() {
	conn, err := hale.Dial("tcp", hangUp())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "a request")

	c, _ := hale.From(conn) // finds it under TLS, too
	<-c.Done()              // nothing has to read for that
	fmt.Println(health.Classify(c.Err()))
	_, err = c.Read(make([]byte, 1))
	fmt.Println(err == c.Err())
	// Output:
	// reset
	// true
}

// A server that notices when its clients are gone.
func ExampleListenConfig() {
	config := &hale.ListenConfig{KeepAlive: sockopt.Within(time.Minute)}
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(conn.(*hale.Conn).State())
	// Output: alive
}

// Two observers of one dialer, each of which knows only what it needs.
func ExampleTee() {
	dials := &hale.Observer{DialDone: func(_ context.Context, info hale.DialDoneInfo) {
		fmt.Println("dialled", info.Network, info.Err)
	}}
	open := 0
	count := &hale.Observer{
		DialDone: func(context.Context, hale.DialDoneInfo) { open++ },
		Closed:   func(hale.ClosedInfo) { open-- },
	}
	dialer := &hale.Dialer{Observer: hale.Tee(dials, count)}
	conn, err := dialer.Dial("tcp", greeter())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(open, "open")
	conn.Close()
	fmt.Println(open, "open")
	// Output:
	// dialled tcp <nil>
	// 1 open
	// 0 open
}

// A log of what happens to a dialer's connections, without the lines that each
// of them would have.
func ExampleLogObserver() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level:       slog.LevelWarn,
		ReplaceAttr: without(slog.TimeKey, "hale.connect.duration"),
	}))
	dialer := &hale.Dialer{Observer: hale.LogObserver(logger)}
	conn, err := dialer.Dial("tcp", greeter())
	if err != nil {
		log.Fatal(err)
	}
	conn.Close()
	_, err = dialer.Dial("tcp", "[::1]:not-a-port")
	fmt.Println(err != nil)
	// Output:
	// level=WARN msg="dial failed" server.address=::1 network.transport=tcp error.message="dial tcp: lookup tcp/not-a-port: unknown port"
	// true
}

// without leaves attributes out of a log.
func without(keys ...string) func(groups []string, a slog.Attr) slog.Attr {
	return func(_ []string, a slog.Attr) slog.Attr {
		if slices.Contains(keys, a.Key) {
			return slog.Attr{}
		}
		return a
	}
}

// A library that dials by itself, or a file descriptor that was handed down, gives a
// plain connection. Adopt holds it to a promise from then on.
func ExampleDialer_Adopt() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	d := &hale.Dialer{KeepAlive: sockopt.Within(10 * time.Second)}
	c, err := d.Adopt(plain)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c.Report().Asked.Within, c.Unwatched(), c.Err())
	// Output: 10s <nil> <nil>
}
