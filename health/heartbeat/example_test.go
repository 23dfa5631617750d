package heartbeat_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/heartbeat"
)

// A peer accepts connections, and its kernel acknowledges what it is sent, but
// its program does not answer any more.
func ExampleProber() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	prober := &heartbeat.Prober{
		Interval: 20 * time.Millisecond, // seconds, in a real program
		Timeout:  100 * time.Millisecond,
		Probe: func(_ context.Context, c net.Conn) error {
			if _, err := c.Write([]byte("PING\r\n")); err != nil {
				return err
			}
			_, err := io.ReadFull(c, make([]byte, len("PONG\r\n")))
			return err
		},
	}
	dead := make(chan *health.DeadError, 1)
	pulse, err := prober.Start(conn, func(e *health.DeadError) {
		conn.Close()
		dead <- e
	})
	if err != nil {
		log.Fatal(err)
	}
	defer pulse.Stop()

	pulse.Lock() // no probe gets in between
	_, err = conn.Write([]byte("SET greeting hello\r\n"))
	pulse.Unlock()
	fmt.Println("the kernel took it:", err)

	fmt.Println("the heartbeat says:", (<-dead).Cause)
	// Output:
	// the kernel took it: <nil>
	// the heartbeat says: heartbeat_failed
}

// The owner of a connection locks its Pulse for every use, and does not wait for
// a probe if there is something else to do.
func ExamplePulse() {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	prober := &heartbeat.Prober{Probe: func(context.Context, net.Conn) error { return nil }}
	pulse, err := prober.Start(near, func(*health.DeadError) { near.Close() })
	if err != nil {
		log.Fatal(err)
	}
	defer pulse.Stop()

	fmt.Println("free:", pulse.TryLock())
	fmt.Println("free:", pulse.TryLock())
	pulse.Unlock() // the next probe is one Interval away
	// Output:
	// free: true
	// free: false
}
