package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/pool"
)

// endpoint starts an echo server that is unreachable for the first few dials.
func endpoint(failures int32) (dial func(context.Context) (net.Conn, error), stop func()) {
	addr, stop := echo()
	var dials atomic.Int32
	return func(ctx context.Context) (net.Conn, error) {
		if dials.Add(1) <= failures {
			return nil, errors.New("connection refused")
		}
		return new(hale.Dialer).DialContext(ctx, "tcp", addr)
	}, stop
}

// open makes a pool.
func open(config pool.Config[net.Conn]) *pool.Pool[net.Conn] {
	p, err := pool.New(config)
	if err != nil {
		log.Fatal(err)
	}
	return p
}

// soon has a pool reconnect without a long pause.
func soon() backoff.BackOff { return backoff.NewConstantBackOff(time.Millisecond) }

// use acquires a connection and releases it.
func use(p *pool.Pool[net.Conn]) {
	if err := p.Do(context.Background(), func(context.Context, net.Conn) error { return nil }); err != nil {
		log.Fatal(err)
	}
}

// How often connections were used.
func ExampleObserver() {
	dial, stop := endpoint(0)
	defer stop()
	uses := 0
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, Observer: &pool.Observer{
		Release: func() { uses++ },
	}})
	use(p)
	use(p)
	p.Close()
	fmt.Println(uses)
	// Output: 2
}

func ExampleAcquireStartInfo() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, Observer: &pool.Observer{
		AcquireStart: func(ctx context.Context, info pool.AcquireStartInfo) context.Context {
			fmt.Println(info.Waiting, "waiting; outage:", info.Outage)
			return ctx
		},
	}})
	defer p.Close()
	use(p) // waits for the first dial
	use(p) // is served at once
	// Output: 1 waiting; outage: false
}

func ExampleAcquireDoneInfo() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, Observer: &pool.Observer{
		AcquireDone: func(_ context.Context, info pool.AcquireDoneInfo) {
			fmt.Println("waited:", info.Wait > 0, "error:", info.Err)
		},
	}})
	defer p.Close()
	use(p)
	// Output: waited: true error: <nil>
}

// How long callers waited, those included that did not.
func ExampleAcquiredInfo() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, Observer: &pool.Observer{
		Acquired: func(_ context.Context, info pool.AcquiredInfo) {
			fmt.Println("waited:", info.Wait > 0, "error:", info.Err)
		},
	}})
	defer p.Close()
	use(p)
	use(p)
	// Output:
	// waited: true error: <nil>
	// waited: false error: <nil>
}

// After a failover the connections lead to the wrong server.
func ExampleEvictInfo() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, Observer: &pool.Observer{
		Evict: func(info pool.EvictInfo) { fmt.Println(info.Reason, info.Detail) },
	}})
	use(p)
	p.Invalidate("failover")
	p.Close()
	// Output: invalid failover
}

// The connections of a pool follow the name of its endpoint.
func ExampleResolvedInfo() {
	dial, stop := endpoint(0)
	defer stop()
	done := make(chan struct{}, 100)
	p := open(pool.Config[net.Conn]{
		Dial: dial,
		Resolve: func(ctx context.Context) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", "127.0.0.1") // a name, in a real program
		},
		ResolveEvery: time.Minute,
		MaxConns:     1,
		Observer: &pool.Observer{Resolved: func(info pool.ResolvedInfo) {
			fmt.Println(info.Addrs, "gone:", len(info.Gone), "error:", info.Err)
			done <- struct{}{}
		}},
	})
	defer p.Close()
	<-done
	// Output: [127.0.0.1] gone: 0 error: <nil>
}

// Which connections are worth a line in a log.
func ExampleReason() {
	for reason := range pool.Reasons() {
		switch reason {
		case pool.ReasonDead, pool.ReasonSuspect, pool.ReasonFault:
			fmt.Println(reason)
		}
	}
	// Output:
	// dead
	// suspect
	// fault
}

// An outage is one value, whatever happened during it.
func ExampleOutage() {
	dial, stop := endpoint(2)
	defer stop()
	ended := make(chan pool.Outage, 1)
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, MinConns: 1, Backoff: soon, Observer: &pool.Observer{
		OutageEnd: func(o pool.Outage) { ended <- o },
	}})
	defer p.Close()
	o := <-ended
	fmt.Println("healed:", o.Healed, "dials:", o.Attempts, "last error:", o.Dial)
	// Output: healed: true dials: 3 last error: connection refused
}

func ExampleReconnectStartInfo() {
	dial, stop := endpoint(2)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, Backoff: soon, Observer: &pool.Observer{
		ReconnectStart: func(ctx context.Context, info pool.ReconnectStartInfo) context.Context {
			fmt.Println("attempt", info.Attempt, "after a pause of", info.Pause)
			return ctx
		},
	}})
	defer p.Close()
	use(p) // its own dial is the first that fails
	// Output:
	// attempt 1 after a pause of 1ms
	// attempt 2 after a pause of 1ms
}

func ExampleReconnectDoneInfo() {
	dial, stop := endpoint(2)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, Backoff: soon, Observer: &pool.Observer{
		ReconnectDone: func(_ context.Context, info pool.ReconnectDoneInfo) {
			fmt.Println("outage", info.Outage, "attempt", info.Attempt, "error:", info.Err)
		},
	}})
	use(p)
	p.Close()
	// Output:
	// outage 1 attempt 1 error: connection refused
	// outage 1 attempt 2 error: <nil>
}

func ExampleRefillInfo() {
	dial, stop := endpoint(0)
	defer stop()
	opened := make(chan int, 1)
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 3, MinConns: 2, Observer: &pool.Observer{
		Refill: func(info pool.RefillInfo) { opened <- info.Conns },
	}})
	defer p.Close()
	fmt.Println(<-opened, "connections in the background")
	// Output: 2 connections in the background
}

// A connection that is never released is found with the stack of its Acquire.
func ExampleLeakInfo() {
	dial, stop := endpoint(0)
	defer stop()
	leaks := make(chan pool.LeakInfo, 1)
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 1, LeakAfter: 10 * time.Millisecond, Observer: &pool.Observer{
		Leak: func(info pool.LeakInfo) { leaks <- info },
	}})
	defer p.Close()
	if _, err := p.Acquire(context.Background()); err != nil {
		log.Fatal(err)
	}
	leak := <-leaks
	fmt.Println("acquired by this example:", strings.Contains(leak.Stack, "ExampleLeakInfo"))
	// Output: acquired by this example: true
}

// An endpoint that accepts connections and does not serve.
func ExampleHeartbeatInfo() {
	dial, stop := endpoint(0)
	defer stop()
	failed := make(chan error, 100)
	p := open(pool.Config[net.Conn]{
		Dial:      dial,
		MaxConns:  1,
		Check:     func(context.Context, net.Conn) error { return errors.New("not ready") },
		Heartbeat: 10 * time.Millisecond, // seconds, in a real program
		Observer:  &pool.Observer{Heartbeat: func(info pool.HeartbeatInfo) { failed <- info.Err }},
	})
	defer p.Close()
	use(p)
	fmt.Println(health.Classify(<-failed))
	// Output: heartbeat_failed
}

func ExampleStats() {
	dial, stop := endpoint(0)
	defer stop()
	p := open(pool.Config[net.Conn]{Dial: dial, MaxConns: 4})
	defer p.Close()
	use(p)
	use(p)
	st := p.Stats()
	fmt.Println(st.Acquires, "acquires,", st.Waits, "waited,", st.Dials, "dial,", st.Idle, "idle")
	// Output: 2 acquires, 1 waited, 1 dial, 1 idle
}

// A panic in a function of the Config is an error of that call.
func ExamplePanicError() {
	p := open(pool.Config[net.Conn]{
		Dial:     func(context.Context) (net.Conn, error) { panic("no such region") },
		MaxConns: 1,
		FailFast: true,
	})
	defer p.Close()
	_, err := p.Acquire(context.Background())
	if panicked, ok := errors.AsType[*pool.PanicError](err); ok {
		fmt.Println(panicked.Func, "panicked:", panicked.Value)
	}
	// Output: Dial panicked: no such region
}

// A plain connection, or one that hides the hale.Conn under it, tells nothing of its
// death: the pool finds out when it is used.
func ExampleUnwatchedInfo() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	p, err := pool.New(pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		},
		MaxConns: 1,
		Observer: &pool.Observer{Unwatched: func(info pool.UnwatchedInfo) {
			fmt.Printf("%T: %v\n", info.Conn, errors.Is(info.Err, errors.ErrUnsupported))
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	c, err := p.Acquire(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Release()
	// Output: *net.TCPConn: true
}
