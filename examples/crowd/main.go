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
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/health/healthtest"
	"example.com/hale/sockopt"
)

type options struct {
	n      int
	over   time.Duration
	idle   time.Duration
	within time.Duration
	freeze bool
}

func main() {
	do := crowd
	if os.Getenv(serverEnv) != "" {
		do = serve
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

func crowd() error {
	var o options
	flag.IntVar(&o.n, "n", 20000, "`number` of connections")
	flag.DurationVar(&o.over, "over", 10*time.Second, "`time` to open them in")
	flag.DurationVar(&o.idle, "idle", 30*time.Second, "`time` to leave them idle")
	flag.DurationVar(&o.within, "within", sockopt.DefaultWithin, "`time` within which a silent peer must be noticed")
	flag.BoolVar(&o.freeze, "freeze", false, "the peers fall silent, in place of a reset")
	flag.Parse()
	if o.n < 1 || o.over < 0 || o.idle < 0 || flag.NArg() > 0 {
		return errors.New("want -n above 0, -over and -idle not below, and nothing else")
	}
	if o.freeze {
		if err := healthtest.Isolate(); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute+o.over+o.idle+2*o.within, errors.New("this takes too long"))
	defer cancel()
	if err := o.run(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return err
	}
	return nil
}

func (o options) run(ctx context.Context) error {
	if most := maxConns(); most < o.n {
		fmt.Printf("RLIMIT_NOFILE leaves room for %d connections of %d\n", most, o.n)
		o.n = most
	}
	s, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer s.kill()

	w := newWitness(o.n)
	heap, goroutines := heapBytes(), runtime.NumGoroutine()
	start := time.Now()
	conns, err := o.dial(ctx, &hale.Dialer{KeepAlive: sockopt.Within(o.within), Observer: w.observer()}, s.addrs)
	defer closeAll(conns)
	if err != nil {
		return err
	}
	if err := s.ask(fmt.Sprint("accepted ", o.n)); err != nil {
		return err
	}
	fmt.Printf("%d connections in %.1f s, keepalive %v\n", o.n, time.Since(start).Seconds(), conns[0].Report().Got)
	fmt.Printf("heap: %.0f bytes a connection; %d goroutines more for all of them\n",
		(heapBytes()-heap)/float64(o.n), runtime.NumGoroutine()-goroutines)

	if err := idle(ctx, o.idle); err != nil {
		return err
	}
	fmt.Printf("suspect meanwhile: %d, dead: %d\n", w.suspects.Load(), w.deaths.Load())
	start = time.Now()
	if err := o.vanish(s); err != nil {
		return err
	}
	return w.report(ctx, start, conns)
}

// dial opens the connections, at an even pace.
func (o options) dial(ctx context.Context, d *hale.Dialer, addrs []string) (conns []*hale.Conn, err error) {
	pace := time.NewTimer(0)
	defer pace.Stop()
	start := time.Now()
	for i := range o.n {
		if due := o.over / time.Duration(o.n) * time.Duration(i); due > time.Since(start)+time.Millisecond {
			pace.Reset(due - time.Since(start))
			select {
			case <-pace.C:
			case <-ctx.Done():
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
	cpu, err := cpuTime()
	start := time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
	}
	if err != nil || d == 0 {
		return nil // not told on this system
	}
	now, _ := cpuTime()
	fmt.Printf("idle for %v: %.2f %% of one core\n", d, 100*float64(now-cpu)/float64(time.Since(start)))
	return nil
}

func (o options) vanish(s *server) error {
	if o.freeze {
		fmt.Printf("all peers fall silent, to be noticed within %v\n", o.within)
		return s.ask("freeze")
	}
	fmt.Println("the peers' process is killed")
	s.kill()
	return nil
}

// A witness notes when connections die.
type witness struct {
	suspects, deaths atomic.Int64
	at               []time.Time
	all              chan struct{} // closed after the last death
}

func newWitness(n int) *witness { return &witness{at: make([]time.Time, n), all: make(chan struct{})} }

func (w *witness) observer() *hale.Observer {
	return &hale.Observer{
		Suspect: func(hale.SuspectInfo) { w.suspects.Add(1) },
		Dead: func(hale.DeadInfo) { // Done is closed
			n := w.deaths.Add(1)
			w.at[n-1] = time.Now()
			if n == int64(len(w.at)) {
				close(w.all)
			}
		},
	}
}

// report waits for the last death.
func (w *witness) report(ctx context.Context, start time.Time, conns []*hale.Conn) error {
	select {
	case <-w.all:
	case <-ctx.Done():
		return fmt.Errorf("%d of %d deaths are known: %w", w.deaths.Load(), len(w.at), ctx.Err())
	}
	causes := make(map[health.Cause]int)
	for _, c := range conns {
		<-c.Done()
		causes[health.Classify(c.Err())]++
	}
	slices.SortFunc(w.at, time.Time.Compare)
	after := func(part float64) time.Duration {
		return w.at[int(part*float64(len(w.at)-1))].Sub(start).Round(100 * time.Microsecond)
	}
	fmt.Printf("all know: the first after %v, p50 %v, p99 %v, the last %v\n", after(0), after(.5), after(.99), after(1))
	fmt.Printf("causes: %v; suspect before: %d\n", causes, w.suspects.Load())
	return nil
}

func heapBytes() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has found to be finalized
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
