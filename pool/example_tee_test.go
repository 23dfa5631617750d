package pool_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"example.com/hale"
	"example.com/hale/pool"
)

// Two observers of one pool, each of which knows only what it needs.
func ExampleTee() {
	addr, stop := echo()
	defer stop()
	released := 0
	count := &pool.Observer{Release: func() { released++ }}
	end := &pool.Observer{Closed: func() { fmt.Println("closed after", released) }}
	p, err := pool.New(pool.Config[net.Conn]{
		Dial:     func(context.Context) (net.Conn, error) { return hale.Dial("tcp", addr) },
		MaxConns: 1,
		Observer: pool.Tee(count, end),
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		c, err := p.Acquire(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		c.Release()
	}
	p.Close()
	// Output: closed after 3
}
