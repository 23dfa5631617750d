//go:build !plan9

package health_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"syscall"
	"time"

	"example.com/hale"
	"example.com/hale/health"
)

// pair returns both ends of a connection.
func pair() (client, server net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		log.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		log.Fatal(err)
	}
	return client, server
}

// Some deaths speak for the other connections to the same peer.
func ExampleCause() {
	for _, cause := range []health.Cause{health.KeepAliveTimeout, health.Reset} {
		fmt.Println(cause, "silent:", cause.Silent())
	}
	// Output:
	// keepalive_timeout silent: true
	// reset silent: false
}

func ExampleClassify() {
	fmt.Println(health.Classify(&net.OpError{Op: "read", Err: syscall.ECONNRESET}))
	fmt.Println(health.Classify(io.EOF))
	// Output:
	// reset
	// peer_closed
}

// An error of a hale.Conn says what happened, and is no timeout that is worth
// waiting for.
func ExampleDeadError() {
	err := fmt.Errorf("query: %w", &health.DeadError{
		Cause:   health.KeepAliveTimeout,
		Silence: 30 * time.Second,
		Err:     syscall.ETIMEDOUT,
	})
	if dead, ok := errors.AsType[*health.DeadError](err); ok {
		fmt.Println(dead.Cause, "after", dead.Silence, "timeout:", dead.Timeout())
	}
	// Output: keepalive_timeout after 30s timeout: false
}

// A look at a plain connection, before it is used again.
func ExampleCheck() {
	client, server := pair()
	defer client.Close()
	fmt.Println(health.Check(client))
	server.Close()
	_, _ = client.Read(make([]byte, 1)) // returns once the peer has closed
	fmt.Println(health.Classify(health.Check(client)))
	// Output:
	// <nil>
	// peer_closed
}

func ExampleState() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	conn, err := hale.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	c, _ := hale.From(conn)
	fmt.Println(c.State())
	conn.Close()
	fmt.Println(c.State())
	// Output:
	// alive
	// dead
}
