package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"example.com/hale"
	"example.com/hale/pool"
)

// Two hosts that are one service have a pool each. One that is down refuses at once, with
// FailFast, and whatever was not sent to it goes to the other.
func ExampleErrUnavailable() {
	addr, stop := echo()
	defer stop()
	newPool := func(address string) *pool.Pool[net.Conn] {
		p, err := pool.New(pool.Config[net.Conn]{
			Dial:     func(ctx context.Context) (net.Conn, error) { return hale.Dial("tcp", address) },
			MaxConns: 4,
			FailFast: true,
		})
		if err != nil {
			log.Fatal(err)
		}
		return p
	}
	primary, standby := newPool("127.0.0.1:1"), newPool(addr) // nobody listens on port 1
	defer primary.Close()
	defer standby.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	use := func(_ context.Context, c net.Conn) error {
		_, err := fmt.Fprintln(c, "hello")
		return err
	}
	err := primary.Do(ctx, use)
	fmt.Println(errors.Is(err, pool.ErrUnavailable), pool.SafeToRetry(err))
	if pool.SafeToRetry(err) {
		err = standby.Do(ctx, use)
	}
	fmt.Println(err)
	// Output:
	// true true
	// <nil>
}

// Connections follow a name that moves, as after a failover by DNS: those to an address
// that is gone from the answers are closed once nobody uses them.
func ExampleConfig_resolve() {
	dialer := new(hale.Dialer)
	p, err := pool.New(pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", "localhost:5432")
		},
		Resolve: func(ctx context.Context) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", "localhost")
		},
		ResolveEvery: 30 * time.Second, // besides after each death
		MaxConns:     8,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(p.Stats().Conns)
	// Output: 0
}
