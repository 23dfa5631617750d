package pool

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"example.com/hale/health"
)

func TestTheGreatestNumbersOfAConfigWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const longest = math.MaxInt64
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MaxWaiters, c.MaxDials, c.MinConns = math.MaxInt32, math.MaxInt, math.MaxInt, 2
			c.MaxConnLifetime, c.MaxConnIdleTime, c.LifetimeJitter = longest, longest, -1
			c.DialTimeout, c.CheckTimeout, c.CloseTimeout, c.CheckAfter = longest, longest, longest, longest
			c.Check, c.Heartbeat, c.StableAfter, c.LeakAfter = e.check, longest, longest, longest
		})
		for range 3 {
			acquire(t, p).Release()
			acquire(t, p).Close()
			time.Sleep(time.Hour)
		}
		if checks, _ := e.asked(); checks != 0 {
			t.Errorf("%d checks", checks)
		}
		if st := p.Stats(); st.Conns != 2 || st.Recycled[ReasonClosed] != 3 || len(st.Recycled) != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// numbers are the fields of a Config that are numbers, with those of what it contains.
func numbers() (paths [][]int) {
	config := reflect.TypeFor[Config[*fakeConn]]()
	for _, f := range reflect.VisibleFields(config) {
		in := []reflect.StructField{f}
		if f.Type.Kind() == reflect.Struct {
			in = reflect.VisibleFields(f.Type)
		}
		for _, g := range in {
			path := f.Index
			if f.Type.Kind() == reflect.Struct {
				path = append(slices.Clone(path), g.Index...)
			}
			switch g.Type.Kind() {
			case reflect.Int, reflect.Int64, reflect.Float64:
				paths = append(paths, path)
			}
		}
	}
	return paths
}

func TestEveryNumberOfAConfigWorksOrIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	mayBeNegative := map[string]bool{"LifetimeJitter": true}
	limited := map[string]bool{"MaxConns": true, "MinConns": true, "MinIdleConns": true, "LifetimeJitter": true}
	all := numbers()
	if len(all) < 18 {
		t.Fatalf("%d numbers", len(all))
	}
	for _, path := range all {
		name := reflect.TypeFor[Config[*fakeConn]]().FieldByIndex(path).Name
		for _, n := range []int{math.MinInt, math.MinInt32, -1, 0, math.MaxInt32, math.MaxInt - 1, math.MaxInt} {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := new(endpoint)
					c := Config[*fakeConn]{Dial: e.dial, Open: openFake, MaxConns: 4, Check: e.check}
					c.Monitor.After = time.Second
					c.Resolve = func(context.Context) ([]netip.Addr, error) { return nil, errSick }
					switch field := reflect.ValueOf(&c).Elem().FieldByIndex(path); field.Kind() {
					case reflect.Float64:
						field.SetFloat(float64(n))
					default:
						field.SetInt(int64(n))
					}
					p, err := New(c)
					if err != nil {
						if !strings.Contains(err.Error(), name) || n >= 0 && !limited[name] {
							t.Error(err)
						}
						return
					}
					defer p.Close()
					if n < 0 && !mayBeNegative[name] {
						t.Error("it is not refused")
					}
					for range 3 {
						_ = p.Do(t.Context(), func(_ context.Context, c *fakeConn) error { return ask(c) })
						time.Sleep(2 * time.Second)
					}
					if st := p.Stats(); st.Acquires != 3 {
						t.Errorf("%+v", st)
					}
				})
			})
		}
	}
}

func TestAnIdleConnectionDoesNotKeepItsLastCallersContext(t *testing.T) {
	e := new(endpoint)
	p := newPool(t, e, func(c *Config[*fakeConn]) { c.Observer = &Observer{Evict: func(EvictInfo) {}, Leak: func(LeakInfo) {}} })
	for name, end := range map[string]func(Conn[*fakeConn]){
		"released": Conn[*fakeConn].Release,
		"closed":   Conn[*fakeConn].Close,
		"hijacked": func(c Conn[*fakeConn]) { c.Hijack().Close() },
	} {
		gone := useWith(t, p, end)
		for deadline := time.Now().Add(10 * time.Second); gone.Value() != nil; runtime.GC() {
			if time.Now().After(deadline) {
				t.Fatal(name + ": what was in its ctx is still there")
			}
		}
	}
}

//go:noinline
func useWith(t *testing.T, p *Pool[*fakeConn], end func(Conn[*fakeConn])) weak.Pointer[[1 << 10]byte] {
	type key struct{}
	big := new([1 << 10]byte)
	for range 2 { // the second finds an idle one
		c, err := p.Acquire(context.WithValue(context.Background(), key{}, big))
		if err != nil {
			t.Fatal(err)
		}
		end(c)
	}
	return weak.Make(big)
}

func TestAWaitForACheckIsToldAsAWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var starts, dones int
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.CheckAfter = time.Second
			c.Check = func(context.Context, *fakeConn) error { time.Sleep(300 * time.Millisecond); return nil }
			c.Observer = &Observer{
				AcquireStart: func(ctx context.Context, _ AcquireStartInfo) context.Context { starts++; return ctx },
				AcquireDone: func(_ context.Context, i AcquireDoneInfo) {
					if dones++; dones == 2 && i.Wait != 300*time.Millisecond {
						t.Errorf("waited %v", i.Wait)
					}
				},
			}
		})
		acquire(t, p).Release()
		time.Sleep(2 * time.Second)
		acquire(t, p).Release()
		if st := p.Stats(); starts != 2 || dones != 2 || st.Waits != 2 || st.WaitTime != 300*time.Millisecond || st.Waiting != 0 {
			t.Errorf("%d starts, %d dones, %+v", starts, dones, st)
		}
	})
}

func TestADeathLeavesAloneWhatIsBeingHijacked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, nil)
		c := acquire(t, p)
		v := c.Value()
		if _, ours := c.slot.do(hijack, c.use); !ours { // as Hijack does first
			t.Fatal("not ours")
		}
		v.kill(health.Reset)
		synctest.Wait()
		p.detach(c.slot)
		synctest.Wait()
		if v.closed.Load() {
			t.Error("what was hijacked was closed")
		}
		if st := p.Stats(); st.Conns != 0 || c.Value() != nil {
			t.Errorf("%+v", st)
		}
		v.Close()
	})
}

// strange is a connection that tells of its state in its own way.
type strange struct {
	*fakeConn
	err   atomic.Pointer[error]
	state atomic.Int32
}

func (c *strange) Err() error {
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}
func (c *strange) State() health.State                         { return health.State(c.state.Load()) }
func (c *strange) Watch(func(*health.DeadError)) (stop func()) { return func() {} }
func (c *strange) Read(b []byte) (int, error)                  { return c.Conn.Read(b) }
func (c *strange) SetDeadline(time.Time) error                 { return nil }
func strangeDial(e *endpoint) func(*fakeConn) *strange {
	return func(c *fakeConn) *strange { s := &strange{fakeConn: c}; s.state.Store(int32(health.Alive)); return s }
}

var _ net.Conn = (*strange)(nil)

func TestAConnectionThatIsDeadInItsOwnWayIsEvicted(t *testing.T) {
	t.Parallel()
	for name, die := range map[string]func(c *strange){
		"dead, and does not say why": func(c *strange) { c.state.Store(int32(health.Dead)) },
		"an error of its own":        func(c *strange) { err := errSick; c.err.Store(&err) },
		"a state that nobody knows":  func(c *strange) { c.state.Store(77) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newWrapped(t, e, strangeDial(e), func(c *Config[*strange]) { c.MaxConns = 1 })
				c := acquireWrapped(t, p)
				first := c.Value()
				c.Release()
				die(first)
				c = acquireWrapped(t, p)
				if c.Value() == first {
					t.Error("got the dead one")
				}
				c.Release()
				if st := p.Stats(); st.Recycled[ReasonDead] != 1 || st.Deaths[health.Unknown] != 1 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestShutdownDuringHeartbeatsReportsNoFailure(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			e := new(endpoint)
			var failed atomic.Int32
			p := newPool(t, e, func(c *Config[*fakeConn]) {
				c.MinConns, c.Heartbeat = 4, time.Second
				c.Check = func(ctx context.Context, c *fakeConn) error {
					select {
					case <-time.After(500 * time.Millisecond): // a healthy server, but not the fastest
						return e.check(ctx, c)
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				c.Observer = &Observer{
					Heartbeat: func(i HeartbeatInfo) {
						if i.Err != nil {
							failed.Add(1)
						}
					},
					Evict: func(i EvictInfo) {
						if i.Reason != ReasonShutdown || i.Err != nil {
							failed.Add(1)
						}
					},
				}
			})
			time.Sleep(1200 * time.Millisecond)
			p.Close()
			if st := p.Stats(); failed.Load() != 0 || len(st.Deaths) != 0 {
				t.Errorf("%d failed, %+v", failed.Load(), st)
			}
		})
	}
}

func TestWhatWakesMaintenanceDoesNotMakeItLookAtEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const conns = 200
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns, c.MinConns, c.MaxDials, c.MaxConnIdleTime = conns, conns, conns, time.Minute
		})
		time.Sleep(1500 * time.Millisecond)
		before := e.looks.Load()
		for range 400 { // in less than half a second
			p.maintenance.wake()
			time.Sleep(time.Millisecond)
		}
		if n := e.looks.Load() - before; n > 2*conns {
			t.Errorf("%d looks at %d connections", n, conns)
		}
	})
}
