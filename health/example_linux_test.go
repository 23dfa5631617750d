package health_test

import (
	"fmt"
	"io"
	"log"
	"net"

	"example.com/hale/health"
)

// inspect asks the kernel about a connection.
func inspect(c net.Conn) health.Info {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		log.Fatal(err)
	}
	info, err := health.Inspect(raw)
	if err != nil {
		log.Fatal(err)
	}
	return info
}

func ExampleInfo() {
	client, server := pair()
	defer client.Close()
	defer server.Close()
	_, _ = io.WriteString(server, "hello")
	_, _ = io.ReadFull(client, make([]byte, 5))

	info := inspect(client)
	fmt.Println(info.State, "received", info.BytesReceived, "unacknowledged", info.Unacked)
	// Output: ESTABLISHED received 5 unacknowledged 0
}

// A peer that has closed its side may still read.
func ExampleTCPState() {
	client, server := pair()
	defer client.Close()
	defer server.Close()
	_ = server.(*net.TCPConn).CloseWrite()
	_, _ = client.Read(make([]byte, 1)) // returns once the peer has closed

	state := inspect(client).State
	fmt.Println(state, state == health.TCPCloseWait)
	// Output: CLOSE_WAIT true
}
