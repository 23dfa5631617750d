package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// name is what a pool's endpoint is called: Resolve asks it, and dials follow it.
type name struct {
	e *endpoint

	mu      sync.Mutex
	answers []string // each the addresses of one, by turns
	leads   []string // dials, by turns, if not to the first address of the answer
	err     error
	asked   []time.Time
	evicted []EvictInfo
	told    []ResolvedInfo
}

// move changes what the name leads to.
func (n *name) move(answers ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers = answers
}

func (n *name) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
}

// next takes the first of several and puts it at the end.
func next(all []string) string {
	first := all[0]
	copy(all, all[1:])
	all[len(all)-1] = first
	return first
}

func (n *name) resolve(context.Context) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, time.Now())
	return ips(next(n.answers)), n.err
}

func (n *name) dial(ctx context.Context) (net.Conn, error) {
	conn, err := n.e.dial(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	to := ""
	if len(n.leads) > 0 {
		to = next(n.leads)
	} else {
		to = net.JoinHostPort(strings.Fields(n.answers[0])[0], "5432")
	}
	c := conn.(*fakeConn)
	c.addr = fakeAddr(to)
	return c, nil
}

// in has a pool ask the name.
func (n *name) in(c *Config[*fakeConn]) {
	locked := func(f func()) {
		n.mu.Lock()
		defer n.mu.Unlock()
		f()
	}
	c.Dial, c.Resolve = n.dial, n.resolve
	c.Observer = &Observer{
		Evict:    func(i EvictInfo) { locked(func() { n.evicted = append(n.evicted, i) }) },
		Resolved: func(i ResolvedInfo) { locked(func() { n.told = append(n.told, i) }) },
	}
}

// moved is how many connections to an address have left because it was gone.
func (n *name) moved(t *testing.T) map[string]int {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string]int)
	for _, i := range n.evicted {
		if i.Reason == ReasonMoved && i.Err == nil {
			all[ipOf(i.Conn.RemoteAddr().String()).String()]++
		}
	}
	return all
}

// calls is how often the name was resolved.
func (n *name) calls() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.asked)
}

// named is a name that leads to 10.0.0.1 so far.
func named() *name { return &name{e: new(endpoint), answers: []string{"10.0.0.1"}} }

func TestConnectionsDrainWhenTheNameHasMoved(t *testing.T) {
	t.Parallel()
	for why, test := range map[string]struct {
		every  time.Duration
		happen func(t *testing.T, n *name) // after it has moved
		within time.Duration
	}{
		"it is asked at intervals": {30 * time.Second, func(*testing.T, *name) {}, 32 * time.Second},
		"a connection dies":        {0, func(t *testing.T, n *name) { n.e.all()[0].kill(health.PeerClosed) }, 2 * time.Second},
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := named()
				p := newPool(t, n.e, func(c *Config[*fakeConn]) {
					n.in(c)
					c.MinConns, c.ResolveEvery = 4, test.every
				})
				time.Sleep(time.Minute)
				held := acquire(t, p)
				for held.Value().id == 1 { // which may be to die
					other := acquire(t, p)
					held.Release()
					held = other
				}
				n.move("10.0.0.2")
				test.happen(t, n)
				time.Sleep(test.within)
				synctest.Wait()
				if st := p.Stats(); st.Conns != 4 || st.InUse != 1 || st.Outages != 0 || st.Down {
					t.Errorf("%+v", st)
				}
				if c := held.Value(); c.closed.Load() || c.addr != "10.0.0.1:5432" {
					t.Errorf("the one in use was closed, or leads to %s", c.addr)
				}
				for range 3 {
					c := acquire(t, p)
					defer c.Release()
					if to := c.Value().addr; to != "10.0.0.2:5432" {
						t.Errorf("got one to %s", to)
					}
				}
				v := held.Value()
				held.Release()
				synctest.Wait()
				if !v.closed.Load() {
					t.Error("the one that was in use is open still")
				}
				time.Sleep(time.Second)
				if st := p.Stats(); st.Conns != 4 || st.Idle != 1 {
					t.Errorf("%+v", st)
				}
				if got := n.moved(t); len(got) != 1 || got["10.0.0.1"] < 3 {
					t.Errorf("%v", got)
				}
			})
		})
	}
}

func TestConnectionsStay(t *testing.T) {
	t.Parallel()
	for why, test := range map[string]struct {
		happen func(n *name)
	}{
		"the name cannot be resolved":   {func(n *name) { n.move(""); n.fail(errors.New("no such host")) }},
		"an error comes with addresses": {func(n *name) { n.move("10.0.0.2"); n.fail(errors.New("SERVFAIL")) }},
		"the answer is empty":           {func(n *name) { n.move("") }},
		"the address is one of several": {func(n *name) { n.move("10.0.0.3 10.0.0.1", "10.0.0.1 10.0.0.2") }},
		"it is mapped into IPv6":        {func(n *name) { n.move("::ffff:10.0.0.1") }},
		"every other answer has it":     {func(n *name) { n.move("10.0.0.2", "10.0.0.1") }},
		"the others have none of its family": {func(n *name) {
			n.move("2001:db8::1")
		}},
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := named()
				n.leads = []string{"10.0.0.1:5432"}
				p := newPool(t, n.e, func(c *Config[*fakeConn]) { n.in(c); c.MinConns, c.ResolveEvery = 4, 30*time.Second })
				time.Sleep(10 * time.Second)
				test.happen(n)
				time.Sleep(10 * time.Minute)
				if st := p.Stats(); st.Dials != 4 || st.Idle != 4 || len(n.moved(t)) > 0 {
					t.Errorf("%+v, %v", st, n.moved(t))
				}
				if calls := n.calls(); calls < 12 || calls > 60 {
					t.Errorf("%d calls", calls)
				}
			})
		})
	}
}

func TestConnectionsToWhereNoAnswerLeadsStay(t *testing.T) {
	t.Parallel()
	for _, leads := range []string{"192.0.2.7:1080", "@/run/postgresql/.s.5432", "[2001:db8::9]:1080"} {
		t.Run(leads, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := named()
				n.leads = []string{leads}
				p := newPool(t, n.e, func(c *Config[*fakeConn]) { n.in(c); c.MinConns, c.ResolveEvery = 4, time.Minute })
				for range 15 {
					n.move(fmt.Sprintf("10.0.0.%d", n.calls()%5))
					time.Sleep(time.Minute)
				}
				if st := p.Stats(); st.Dials != 4 || st.Idle != 4 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestAConnectionInUseStaysIfItsAddressComesBackBeforeItsRelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := named()
		p := newPool(t, n.e, func(c *Config[*fakeConn]) { n.in(c); c.MinConns, c.ResolveEvery = 1, 30*time.Second })
		time.Sleep(time.Second)
		held := acquire(t, p)
		n.move("10.0.0.2")
		time.Sleep(time.Minute)
		if !held.slot.marked(moved) {
			t.Fatal("it does not drain")
		}
		n.move("10.0.0.2 10.0.0.1")
		time.Sleep(time.Minute)
		held.Release()
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 || st.Dials != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// However a name is answered, a pool does not spend its time with closing and
// dialling.
func TestNoAnswersMakeAPoolChurn(t *testing.T) {
	t.Parallel()
	twelve := func() (all []string) {
		for i := range 12 {
			all = append(all, fmt.Sprintf("10.0.0.%d 10.0.0.%d 10.0.0.%d", i%12+1, (i+4)%12+1, (i+5)%12+1))
		}
		return all
	}
	slow := func(times int, answers ...string) (all []string) {
		for _, a := range answers {
			all = append(all, slices.Repeat([]string{a}, times)...)
		}
		return all
	}
	for why, test := range map[string]struct {
		answers, leads []string
		most, later    int // connections that leave in the first hour, and in the second
	}{
		"two by turns":                  {[]string{"10.0.0.1", "10.0.0.2"}, nil, 0, 0},
		"one of five by turns":          {[]string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"}, nil, 20, 0},
		"three of twelve by turns":      {twelve(), nil, 20, 0},
		"one of two, for a minute each": {slow(6, "10.0.0.1", "10.0.0.2"), nil, 20, 0},
		"dials lead to where it was":    {slow(1000000, "10.0.0.2"), []string{"10.0.0.1:5432"}, 0, 0},
		"dials go on to lead where it was": {
			append([]string{"10.0.0.1", "10.0.0.1"}, slow(2000, "10.0.0.2")...), []string{"10.0.0.1:5432"}, 52, 4,
		},
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := named()
				n.move(test.answers...)
				n.leads = test.leads
				p := newPool(t, n.e, func(c *Config[*fakeConn]) { n.in(c); c.MinConns, c.ResolveEvery = 4, 10*time.Second })
				left := func() (all int) {
					time.Sleep(time.Hour)
					for _, m := range n.moved(t) {
						all += m
					}
					return all
				}
				first := left()
				second := left() - first
				if first > test.most || second > test.later {
					t.Errorf("%d connections left in the first hour, %d in the second", first, second)
				}
				t.Log(first, second, n.calls())
				if st := p.Stats(); st.Conns != 4 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestManyDeathsAreFewLookUps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := named()
		newPool(t, n.e, func(c *Config[*fakeConn]) { n.in(c); c.MinConns = 1; c.Dial = hangsUp(n.e, 10*time.Millisecond) })
		time.Sleep(time.Minute)
		n.mu.Lock()
		defer n.mu.Unlock()
		for i, at := range n.asked[1:] {
			if gap := at.Sub(n.asked[i]); gap < time.Second {
				t.Errorf("%v between two", gap)
			}
		}
		if len(n.asked) < 10 || len(n.asked) > 61 {
			t.Errorf("%d in a minute", len(n.asked))
		}
	})
}

func TestAResolveThatPanicsChangesNothingAndIsTold(t *testing.T) {
	t.Parallel()
	forNoReturns(t, func(t *testing.T, once func()) {
		n := named()
		p := newPool(t, n.e, func(c *Config[*fakeConn]) {
			n.in(c)
			c.MinConns, c.ResolveEvery = 1, time.Minute
			c.Resolve = func(ctx context.Context) ([]netip.Addr, error) { once(); return n.resolve(ctx) }
		})
		time.Sleep(10 * time.Second)
		n.mu.Lock()
		told := slices.Clone(n.told)
		n.mu.Unlock()
		if st := p.Stats(); st.Idle != 1 || st.Dials != 1 || len(told) < 2 {
			t.Fatalf("%+v, %+v", st, told)
		}
		if told[0].Addrs != nil || told[1].Err != nil || !slices.Equal(told[1].Addrs, ips("10.0.0.1")) {
			t.Errorf("%+v", told)
		}
		if panicked, ok := errors.AsType[*PanicError](told[0].Err); !ok || panicked.Func != "Resolve" {
			t.Errorf("%v", told[0].Err)
		}
	})
}

func TestAResolveThatHangs(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]func(ctx context.Context){
		"until its ctx ends": func(ctx context.Context) { <-ctx.Done() },
		"beyond":             func(ctx context.Context) { <-ctx.Done(); time.Sleep(30 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := named()
				var mu sync.Mutex
				running, most, began := 0, 0, time.Now()
				p := newPool(t, n.e, func(c *Config[*fakeConn]) {
					n.in(c)
					c.MinConns, c.ResolveEvery, c.DialTimeout = 1, time.Second, 5*time.Second
					c.Resolve = func(ctx context.Context) ([]netip.Addr, error) {
						mu.Lock()
						running++
						most = max(most, running)
						mu.Unlock()
						defer func() {
							mu.Lock()
							defer mu.Unlock()
							running--
						}()
						if d, ok := ctx.Deadline(); !ok || time.Until(d) != 5*time.Second {
							t.Errorf("its deadline is in %v", time.Until(d))
						}
						hang(ctx)
						return nil, ctx.Err()
					}
				})
				time.Sleep(4 * time.Minute)
				mu.Lock()
				atOnce := most
				mu.Unlock()
				n.mu.Lock()
				if len(n.told) < 20 || atOnce != 1 {
					t.Errorf("%d are told, %d at a time, in %v", len(n.told), atOnce, time.Since(began))
				}
				for _, i := range n.told {
					if !errors.Is(i.Err, context.DeadlineExceeded) && !errors.Is(i.Err, errLate) {
						t.Error(i.Err)
					}
				}
				n.mu.Unlock()
				if st := p.Stats(); st.Idle != 1 {
					t.Errorf("%+v", st)
				}
				start := time.Now()
				p.Close()
				if took := time.Since(start); took > lateAfter {
					t.Errorf("Close took %v", took)
				}
				time.Sleep(time.Minute) // for the one that goes on
			})
		})
	}
}

func TestResolveIsCalledUnderNoLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := named()
		var p *Pool[*fakeConn]
		ready := make(chan struct{})
		p = newPool(t, n.e, func(c *Config[*fakeConn]) {
			n.in(c)
			c.MinConns = 1
			c.Resolve = func(ctx context.Context) ([]netip.Addr, error) {
				<-ready
				p.Stats()
				p.Invalidate("by Resolve")
				c, err := p.Acquire(ctx)
				c.Release()
				return ips("10.0.0.1"), err
			}
		})
		close(ready)
		time.Sleep(5 * time.Second)
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.told) == 0 || n.told[0].Err != nil {
			t.Errorf("%+v", n.told)
		}
	})
}

// Every connection is somewhere else in its life when its address goes.
func TestConnectionsDrainWhateverIsDoneWithThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := named()
		p := newPool(t, n.e, func(c *Config[*fakeConn]) {
			n.in(c)
			c.MaxConns, c.ResolveEvery = 6, 10*time.Second
			c.Check = n.e.check
			c.CheckTimeout, c.Heartbeat = time.Minute, 5*time.Second
		})
		var uses []Conn[*fakeConn]
		for range 5 {
			uses = append(uses, acquire(t, p))
		}
		time.Sleep(time.Second)
		uses[0].Value().suspect.Store(true) // is quarantined
		uses[1].Value().hangs.Store(true)   // is being checked by its heartbeat, and parked
		for _, c := range uses[:4] {
			c.Release()
		}
		p.maintenance.wakeToTidy()
		time.Sleep(7 * time.Second)
		n.move("10.0.0.2")
		time.Sleep(2 * time.Minute)
		uses[4].Close()
		time.Sleep(time.Second)
		for _, c := range n.e.all()[:5] {
			if !c.closed.Load() {
				t.Errorf("%d is open", c.id)
			}
		}
		acquire(t, p).Release()
		if st := p.Stats(); st.Conns != 1 || st.Idle != 1 {
			t.Errorf("%+v", st)
		}
	})
}
