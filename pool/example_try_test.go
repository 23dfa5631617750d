package pool_test

import (
	"context"
	"fmt"
	"net"

	"example.com/hale/pool"
)

// What is worth doing only if it costs no wait.
func ExamplePool_TryAcquire() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1})
	defer p.Close()

	ctx := context.Background()
	_, ok := p.TryAcquire(ctx) // nothing is idle yet, and nothing is dialled
	fmt.Println(ok)

	use(p)
	conn, ok := p.TryAcquire(ctx)
	defer conn.Release()
	fmt.Println(ok)
	// Output:
	// false
	// true
}

// All that is idle is closed, one after the other.
func ExamplePool_AcquireAllIdle() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 4})
	defer p.Close()

	use(p)
	for _, conn := range p.AcquireAllIdle(context.Background()) {
		conn.Close()
	}
	fmt.Println(p.Stats().Recycled[pool.ReasonClosed])
	// Output: 1
}
