package endpoints

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"example.com/hale"
	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// A kind opens connections to n endpoints, of which addr has the addresses, and chooses
// among them.
type kind struct {
	name, bound string
	serve       func() (*fake.Server, error)
	open        func(ctx context.Context, n int, addr func(int) string) (balancer, error)
}

var kinds = []kind{
	{"hale's cluster", "two endpoints' counts compared, a place taken and given back at the endpoint and in the cluster, and a checkout that does not wait (TryAcquire): some dozen cache lines, with more endpoints from a slower cache", echoing, openCluster},
	{"a pool for each, at random", "a random number, and the pool's checkout", echoing, openPools(func(n int) func() int {
		return func() int { return rand.IntN(n) }
	})},
	{"a pool for each, in turn", "an atomic counter, and the pool's checkout", echoing, openPools(func(n int) func() int {
		var next atomic.Uint32
		return func() int { return int(next.Add(1) % uint32(n)) }
	})},
	{"grpc-go's round_robin", "an atomic counter; there is no checkout: a connection is for many requests at a time", fake.StartGRPC, openGRPC},
}

func echoing() (*fake.Server, error) { return fake.Start(fake.Echo) }

type balancer struct {
	once    func(ctx context.Context) error // Acquire and Release, and nothing else
	acquire func(ctx context.Context) (use, error)
	request func(ctx context.Context) error // has a byte come back, or the like
	close   func()
}

// use is a connection that was acquired.
type use struct {
	endpoint int
	conn     func() net.Conn
	release  func()
}

// echoed is the request of what acquire gives.
func echoed(acquire func(ctx context.Context) (use, error)) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		u, err := acquire(ctx)
		if err != nil {
			return err
		}
		defer u.release()
		return ping(u.conn())
	}
}

var dialer hale.Dialer

func openCluster(ctx context.Context, n int, addr func(int) string) (balancer, error) {
	var names []string
	for i := range n {
		names = append(names, strconv.Itoa(i)) // which is no address, but Dial knows
	}
	c, err := cluster.New(cluster.Config[net.Conn]{
		Resolve: cluster.Static(names...),
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
			i, err := strconv.Atoi(e.Address)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, "tcp", addr(i))
		},
		MaxConns: n * mostPerEndpoint,
		Pool:     pool.Config[net.Conn]{MinConns: perEndpoint, MaxConns: mostPerEndpoint, KeepUnread: true},
	})
	if err != nil {
		return balancer{}, err
	}
	for c.Stats().Total.Idle < n*perEndpoint {
		if ctx.Err() != nil {
			c.Close()
			return balancer{}, ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
	acquire := func(ctx context.Context) (use, error) {
		conn, err := c.Acquire(ctx)
		if err != nil {
			return use{}, err
		}
		i, _ := strconv.Atoi(conn.Endpoint().Address)
		return use{i, conn.Value, conn.Release}, nil
	}
	return balancer{
		once: func(ctx context.Context) error {
			conn, err := c.Acquire(ctx)
			conn.Release()
			return err
		},
		acquire: acquire, request: echoed(acquire), close: c.Close,
	}, nil
}

func openPools(choice func(n int) func() int) func(ctx context.Context, n int, addr func(int) string) (balancer, error) {
	return func(ctx context.Context, n int, addr func(int) string) (balancer, error) {
		var pools []*pool.Pool[net.Conn]
		b := balancer{close: func() {
			for _, p := range pools {
				p.Close()
			}
		}}
		for i := range n {
			p, err := pool.New(pool.Config[net.Conn]{
				Dial:     func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr(i)) },
				MaxConns: mostPerEndpoint, MinConns: perEndpoint, KeepUnread: true, FailFast: true,
			})
			if err != nil {
				b.close()
				return b, err
			}
			pools = append(pools, p)
		}
		for _, p := range pools {
			for p.Stats().Idle < perEndpoint {
				if ctx.Err() != nil {
					b.close()
					return b, ctx.Err()
				}
				time.Sleep(time.Millisecond)
			}
		}
		next := choice(n)
		b.once = func(ctx context.Context) error {
			conn, err := pools[next()].Acquire(ctx)
			conn.Release()
			return err
		}
		b.acquire = func(ctx context.Context) (use, error) {
			i := next()
			conn, err := pools[i].Acquire(ctx)
			if err != nil {
				return use{}, err
			}
			return use{i, conn.Value, conn.Release}, nil
		}
		b.request = echoed(b.acquire)
		return b, nil
	}
}
