// Crowd shows what watching many connections costs, and how soon all of them
// know when their peers vanish at once. It opens connections to a server in a
// process of its own, leaves them idle for a while, and then kills that
// process, whose kernel resets them all; with -freeze the peers fall silent
// instead, and keepalive has to find out.
//
// The connections are opened over a while. Those of one moment probe in one
// moment for ever after, and a loopback interface drops what is more than
// net.core.netdev_max_backlog, 1000 packets, at once: with -over 0s the
// kernel gives up live peers.
//
//	go run ./examples/crowd -n 20000
//	go run ./examples/crowd -n 10000 -idle 60s -freeze
//
// It needs as many file descriptors as connections (ulimit -n), and -freeze
// needs Linux, and root or the right to make a user namespace.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/crowd"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/wait"
	"example.com/hale/sockopt"
)

func main() {
	crowd.Be() // and no more, in the process that the peers live in
	program.Main("crowd", func(ctx context.Context, args []string) error {
		o, err := parse(args, os.Stdout)
		if err != nil {
			return err
		}
		if o.freeze {
			if err := program.Isolate(); err != nil {
				return err
			}
		}
		return o.run(ctx)
	})
}

func (o options) run(ctx context.Context) error {
	bounded, cancel := context.WithTimeoutCause(ctx, time.Minute+o.over+o.idle+2*o.within, errors.New("this takes too long"))
	defer cancel()
	err := o.watch(bounded)
	if ctx.Err() != nil {
		return program.ErrInterrupted
	}
	if bounded.Err() != nil {
		return context.Cause(bounded)
	}
	return err
}

// watch is the whole of it.
func (o options) watch(ctx context.Context) error {
	if most := crowd.MaxConns(); most < o.n {
		fmt.Printf("RLIMIT_NOFILE leaves room for %d connections of %d\n", most, o.n)
		o.n = most
	}
	server, err := crowd.Start(ctx)
	if err != nil {
		return err
	}
	defer server.Kill()
	deaths := crowd.NewDeaths(o.n)
	conns, err := o.open(ctx, server, deaths)
	defer closeAll(conns)
	if err != nil {
		return err
	}
	if err := idle(ctx, o.idle); err != nil {
		return err
	}
	suspects, dead := deaths.SoFar()
	fmt.Printf("suspect meanwhile: %d, dead: %d\n", suspects, dead)

	start := time.Now()
	if err := o.vanish(server); err != nil {
		return err
	}
	after, err := deaths.Wait(ctx, start)
	if err != nil {
		return err
	}
	fmt.Printf("all know: the first after %v, p50 %v, p99 %v, the last %v\n", after(0), after(.5), after(.99), after(1))
	suspects, _ = deaths.SoFar()
	fmt.Printf("causes: %v; suspect before: %d\n", causes(conns), suspects)
	return nil
}

// open opens the connections, and says what they cost.
func (o options) open(ctx context.Context, s *crowd.Server, deaths *crowd.Deaths) ([]*hale.Conn, error) {
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(o.within), Observer: deaths.Observer()}
	before, start := crowd.CostNow(), time.Now()
	conns, err := o.dial(ctx, dialer, s.Addrs)
	if err == nil {
		err = s.Accepted(o.n)
	}
	if err != nil {
		return conns, err
	}
	fmt.Printf("%d connections in %.1f s, keepalive %v\n", o.n, time.Since(start).Seconds(), conns[0].Report().Got)
	now := crowd.CostNow()
	fmt.Printf("heap: %.0f bytes a connection; %d goroutines more for all of them\n",
		(now.Heap-before.Heap)/float64(o.n), now.Goroutines-before.Goroutines)
	return conns, nil
}

// dial opens the connections, at an even pace.
func (o options) dial(ctx context.Context, d *hale.Dialer, addrs []string) (conns []*hale.Conn, err error) {
	start := time.Now()
	for i := range o.n {
		due := o.over / time.Duration(o.n) * time.Duration(i)
		if early := due - time.Since(start); early > time.Millisecond {
			if err := wait.Sleep(ctx, early); err != nil {
				return conns, err
			}
		}
		c, err := d.DialContext(ctx, "tcp", addrs[i%len(addrs)])
		if err != nil {
			return conns, err
		}
		conns = append(conns, c.(*hale.Conn))
	}
	return conns, nil
}

func closeAll(conns []*hale.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// idle does nothing, and says what that costs.
func idle(ctx context.Context, d time.Duration) error {
	before, err := crowd.CPUTime()
	start := time.Now()
	if err := wait.Sleep(ctx, d); err != nil {
		return err
	}
	if err != nil || d == 0 {
		return nil // not told on this system
	}
	now, _ := crowd.CPUTime()
	fmt.Printf("idle for %v: %.2f %% of one core\n", d, 100*float64(now-before)/float64(time.Since(start)))
	return nil
}

func (o options) vanish(s *crowd.Server) error {
	if o.freeze {
		fmt.Printf("all peers fall silent, to be noticed within %v\n", o.within)
		return s.Freeze()
	}
	fmt.Println("the peers' process is killed")
	s.Kill()
	return nil
}

// causes counts what the connections died of.
func causes(conns []*hale.Conn) map[health.Cause]int {
	count := make(map[health.Cause]int)
	for _, c := range conns {
		<-c.Done()
		count[health.Classify(c.Err())]++
	}
	return count
}
