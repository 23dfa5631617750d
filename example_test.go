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

	"example.com/hale"
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
