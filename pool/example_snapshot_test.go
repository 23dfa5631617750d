package pool_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"strings"
	"time"

	"example.com/hale/pool"
)

// What a program may say about its pool, in a log line of its own or on a page.
func ExampleSnapshot() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Name: "orders", Dial: dial, MaxConns: 4})
	defer p.Close()
	use(p)
	s := p.Snapshot()
	fmt.Printf("%s is %s, %d of %d in use, %d outages\n", s.Name, s.State, s.Stats.InUse, s.Stats.MaxConns, len(s.Outages))
	for _, c := range s.Conns {
		fmt.Printf("connection %d is %s, and was used %d times\n", c.Number, c.State, c.Uses)
	}
	// Output:
	// orders is well, 0 of 4 in use, 0 outages
	// connection 1 is idle, and was used 1 times
}

// What a program may say about the outages that its pool went through.
func ExampleOutageInfo() {
	dial, stop := endpoint(2)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, Backoff: soon})
	defer p.Close()
	use(p)
	for len(p.Snapshot().Outages) == 0 || p.Snapshot().State == "outage" {
		time.Sleep(time.Millisecond)
	}
	for _, o := range p.Snapshot().Outages {
		fmt.Printf("outage %d was over after %d dials: %v\n", o.ID, len(o.Dials), o.Healed)
	}
	// Output:
	// outage 1 was over after 3 dials: true
}

// Who holds a connection, and for how long, as LeakAfter has it kept.
func ExampleConnInfo() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, LeakAfter: time.Minute})
	defer p.Close()
	c, err := p.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Release()
	for _, c := range p.Snapshot().Conns {
		function, _, _ := strings.Cut(c.Stack, "\n")
		fmt.Println(c.State, "by", function[strings.LastIndex(function, "/")+1:])
	}
	// Output:
	// in_use by pool_test.ExampleConnInfo
}
