//go:build linux

// Command winprobe is the peer of tests that run as Windows programs under
// wine. Each connection that it accepts is frozen (see package healthtest) as
// soon as a line has come in on it: from then on it looks as if the machine at
// that end had been paused. A program under wine cannot do that by itself.
//
// It prints its address, on loopback, on a line of its own, and serves until
// it is ended by a signal or -for has passed.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/hale/health/healthtest"
)

func main() {
	lifetime := flag.Duration("for", 5*time.Minute, "end after `this` time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *lifetime)
	defer cancel()
	if err := serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "winprobe:", err)
		os.Exit(1)
	}
}

// serve accepts connections until ctx is done.
func serve(ctx context.Context) error {
	// Keepalive of this side would end frozen connections, and a Multipath TCP
	// one cannot be frozen.
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	fmt.Println(l.Addr())
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go freezeAfterLine(ctx, conn)
	}
}

// freezeAfterLine keeps conn open until ctx is done: a frozen connection does
// not hear that the other side has closed.
func freezeAfterLine(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		return
	}
	if _, err := healthtest.Freeze(conn); err != nil {
		fmt.Fprintln(os.Stderr, "winprobe:", err)
		return
	}
	<-ctx.Done()
}
