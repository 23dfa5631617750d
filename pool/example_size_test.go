package pool_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"example.com/hale/pool"
)

// A program that says that it is ready once its connections stand.
func ExamplePool_WaitReady() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 8, MinConns: 2})
	defer p.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Stats().Conns)
	// Output: 2
}

// A pool that follows what the server allows.
func ExamplePool_Resize() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 8, MinConns: 2})
	defer p.Close()

	fmt.Println(p.Resize(1))
	if err := p.Resize(20); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Stats().MaxConns)
	// Output:
	// pool: MaxConns 1: below MinConns, 2
	// 20
}
