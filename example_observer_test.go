package hale_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"example.com/hale"
	"example.com/hale/health"
)

// dial dials with an observer.
func dial(addr string, observer *hale.Observer) net.Conn {
	conn, err := (&hale.Dialer{Observer: observer}).Dial("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	return conn
}

// How many connections are open.
func ExampleObserver() {
	open := 0 // use sync/atomic if there are several connections
	conn := dial(greeter(), &hale.Observer{
		DialDone: func(_ context.Context, info hale.DialDoneInfo) {
			if info.Err == nil {
				open++
			}
		},
		Closed: func(hale.ClosedInfo) { open-- },
	})
	fmt.Println(open)
	conn.Close()
	fmt.Println(open)
	// Output:
	// 1
	// 0
}

type startKey struct{}

// What DialStart adds to the context is there when the dial is done.
func ExampleDialStartInfo() {
	conn := dial(greeter(), &hale.Observer{
		DialStart: func(ctx context.Context, info hale.DialStartInfo) context.Context {
			return context.WithValue(ctx, startKey{}, "over "+info.Network)
		},
		DialDone: func(ctx context.Context, _ hale.DialDoneInfo) {
			fmt.Println("dialled", ctx.Value(startKey{}))
		},
	})
	conn.Close()
	// Output: dialled over tcp
}

func ExampleDialDoneInfo() {
	dialer := &hale.Dialer{Observer: &hale.Observer{
		DialDone: func(_ context.Context, info hale.DialDoneInfo) { fmt.Println(info.Address, info.Err) },
	}}
	_, err := dialer.Dial("tcp", "[::1]:not-a-port")
	fmt.Println(err != nil)
	// Output:
	// [::1]:not-a-port dial tcp: lookup tcp/not-a-port: unknown port
	// true
}

// A Strict listener tells of the clients that it has closed because the operating
// system refused an option; here the example does.
func ExampleAcceptedInfo() {
	config := &hale.ListenConfig{
		Strict: true,
		Observer: &hale.Observer{Accepted: func(info hale.AcceptedInfo) {
			if info.Conn == nil {
				fmt.Println("refused", info.RemoteAddr, "for", info.Err)
			}
		}},
	}
	config.Observer.Accepted(hale.AcceptedInfo{
		RemoteAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 40000},
		Err:        errors.New("user timeout is not supported"),
	})
	// Output: refused 192.0.2.7:40000 for user timeout is not supported
}

// A death is told although nothing reads from the connection.
func ExampleDeadInfo() {
	died := make(chan health.Cause, 1)
	conn := dial(hangUp(), &hale.Observer{
		Dead: func(info hale.DeadInfo) { died <- info.Err.Cause },
	})
	defer conn.Close()
	fmt.Fprint(conn, "a request")
	fmt.Println(<-died)
	// Output: reset
}

func ExampleClosedInfo() {
	conn := dial(greeter(), &hale.Observer{
		Closed: func(info hale.ClosedInfo) {
			fmt.Println("closed; had died before:", info.Err != nil)
		},
	})
	conn.Close()
	// Output: closed; had died before: false
}

// The death watch calls the hook when a peer leaves something unanswered; here
// the example does.
func ExampleSuspectInfo() {
	observer := &hale.Observer{
		Suspect: func(info hale.SuspectInfo) {
			fmt.Println(info.Info.Probes, "probes unanswered, silent for", info.Info.Silence())
		},
	}
	observer.Suspect(hale.SuspectInfo{Info: health.Info{
		Probes: 1, SinceAck: 14 * time.Second, SinceReceived: 20 * time.Second,
	}})
	// Output: 1 probes unanswered, silent for 14s
}

// What was lost on the way to each peer, so far.
func ExampleSampledInfo() {
	var sent, again uint64 // use sync/atomic if there are several connections
	conn := dial(greeter(), &hale.Observer{
		Sampled: func(info hale.SampledInfo) {
			sent += info.Sent
			again += info.Retransmitted
			if info.Acked > 0 {
				fmt.Println("round trip:", info.Info.RTT)
			}
		},
	})
	defer conn.Close()
}

// The death watch calls the hook when a suspect peer has answered; here the
// example does.
func ExampleRecoveredInfo() {
	observer := &hale.Observer{
		Recovered: func(info hale.RecoveredInfo) {
			fmt.Println("heard again,", info.Info.Silence(), "ago")
		},
	}
	observer.Recovered(hale.RecoveredInfo{Info: health.Info{SinceAck: time.Millisecond, SinceReceived: time.Hour}})
	// Output: heard again, 1ms ago
}

// A connection that the program has lost without a Close is a leak. The hook is
// called within a minute of its being collected as garbage; here the example
// does.
func ExampleDroppedInfo() {
	observer := &hale.Observer{
		Dropped: func(info hale.DroppedInfo) {
			fmt.Println("never closed:", info.RemoteAddr, "after", info.Open)
		},
	}
	observer.Dropped(hale.DroppedInfo{RemoteAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 5432}, Open: time.Hour})
	// Output: never closed: 192.0.2.7:5432 after 1h0m0s
}
