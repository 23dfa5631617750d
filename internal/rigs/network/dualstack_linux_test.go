package network

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// fallbackDelay is how long net.Dialer waits for the first address family
// before it tries the other beside it (RFC 8305).
const fallbackDelay = 300 * time.Millisecond

const dualStack = "dual stack, and IPv6 is swallowed"

// tryDualStack has a pool dial a name with an IPv6 and an IPv4 address. It runs
// in a process of its own, because the dials of Happy Eyeballs run on goroutines
// that a thread in the host's namespace does not hold.
func tryDualStack(t *testing.T) {
	row(dualStack)
	t.Parallel()
	s := newScene(t, 2)
	s.sixth()
	s.local = startServer(t, s.server, port)
	// An IPv6 route is ready only after its link has been for a moment.
	eventually(t, promise, "IPv6 connects", func() bool {
		c, err := s.dialPlain()
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	keeper := startProcess(t, s.client, keeperRole, serverSixth+" "+s.server.Addr(testnet.Left))
	s.made(keeper, serverSixth)

	broke := s.breakNow(swallowSixth)
	dead := s.died(keeper, broke)
	fallback := s.made(keeper, s.server.Addr(testnet.Left))
	if fallback.Took < fallbackDelay {
		t.Errorf("the dial of IPv4 took %v, and IPv6 has %v to itself", fallback.Took, fallbackDelay)
	}
	record(dualStack, columnDial, "IPv4 connects", fallback.Took)
	record(dualStack, columnRecovery, "by itself, by IPv4", fallback.At.Sub(dead.At))

	s.died(keeper, s.breakNow(addressGone))
	s.server.Firewall("")
	s.made(keeper, serverSixth)
	addressBack(s)
	keeper.kill()
	s.close()
}

// made is the keeper's next connection, which has to lead to the host, under
// the promise.
func (s *scene) made(keeper *process, host string) event {
	s.t.Helper()
	e := keeper.event()
	if h, _, err := net.SplitHostPort(e.Remote); err != nil || h != host {
		s.t.Fatalf("%+v, want a connection to %s", e, host)
	}
	want, err := held()
	if slow := slowest(e.Took); e.Held.Pace > want.Pace && e.Held.Pace <= slow {
		want.Pace = e.Held.Pace
	}
	if err != nil || e.Held.String() != want.String() {
		s.t.Errorf("the connection to %s is under %q, want %q (%v)", host, e.Held, want, err)
	}
	return e
}

// slowest is the longest pace after a dial that took so long: twice an RTO, which
// is three times the round trip after the first of them (RFC 6298), in whole
// seconds.
func slowest(dial time.Duration) time.Duration {
	return (2*3*dial + time.Second - 1).Truncate(time.Second)
}

// died checks the death of the keeper's connection.
func (s *scene) died(keeper *process, broke moment) event {
	s.t.Helper()
	e := keeper.event()
	after := e.At.Sub(broke.began)
	s.t.Logf("%+v; %.2f s after the break", e, after.Seconds())
	if e.Cause != health.KeepAliveTimeout.String() {
		s.t.Fatalf("%+v, want a death of silence", e)
	}
	if e.Silence < probed.from || e.At.Sub(broke.done) > probed.to+noise {
		s.t.Errorf("detected after %v, with the peer silent for %v; want %v", after, e.Silence, probed)
	}
	record(dualStack, columnIdle, e.Cause, after)
	return e
}

// An event is a line that the keeper prints: a connection that was made and has
// served a request, or that has died.
type event struct {
	At time.Time

	Remote string            `json:",omitempty"`
	Took   time.Duration     `json:",omitempty"` // of the dial
	Held   sockopt.KeepAlive `json:",omitzero"`  // the options that the kernel holds

	Cause   string        `json:",omitempty"`
	Silence time.Duration `json:",omitempty"`
}

func (p *process) event() (e event) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.line()), &e); err != nil {
		p.t.Fatal(err)
	}
	return e
}

// keeperMain is the role of a pool that keeps one connection to a name with the
// given addresses.
func keeperMain() int {
	names, err := startNames(addresses(os.Getenv(addressEnv))...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(ready)
	p, err := pool.New(keeperConfig(names.resolver()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer p.Close()
	untilAlone()
	return 0
}

// keeperConfig is that of a pool which prints events.
func keeperConfig(r *net.Resolver) pool.Config[net.Conn] {
	tell := teller()
	var took atomic.Int64 // the last dial; there is one at a time
	dialer := hale.Dialer{
		NetDialer: &net.Dialer{Resolver: r, FallbackDelay: fallbackDelay},
		KeepAlive: keepAlive,
		Observer: &hale.Observer{
			DialDone: func(_ context.Context, d hale.DialDoneInfo) { took.Store(int64(d.Duration)) },
			Dead: func(d hale.DeadInfo) {
				tell(event{At: d.Err.Detected, Cause: d.Err.Cause.String(), Silence: d.Err.Silence})
			},
		},
	}
	return pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", serviceName+port)
		},
		Open: func(ctx context.Context, c net.Conn) (net.Conn, error) {
			if _, err := login(ctx, c); err != nil {
				return nil, err
			}
			held, _ := hale.From(c)
			tell(event{At: time.Now(), Remote: c.RemoteAddr().String(),
				Took: time.Duration(took.Load()), Held: held.Report().Got})
			return c, nil
		},
		MaxConns: 1, MinConns: 1,
		DialTimeout: dialTimeout,
		Backoff:     backOff,
	}
}

func addresses(list string) (all []netip.Addr) {
	for _, a := range strings.Fields(list) {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

// teller returns a function that prints events, one at a time.
func teller() func(event) {
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	return func(e event) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(e)
	}
}
