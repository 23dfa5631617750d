package pool

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// fragile is a connection of which the named method panics, as often as it is told.
type fragile struct {
	*fakeConn
	*fuse
}

type fuse struct {
	method string
	times  atomic.Int64
}

func (f *fuse) at(method string) {
	if f.method == method && f.times.Add(-1) >= 0 {
		panic("oops")
	}
}

func (c *fragile) Close() error         { c.at("Close"); return c.fakeConn.Close() }
func (c *fragile) Err() error           { c.at("Err"); return c.fakeConn.Err() }
func (c *fragile) State() health.State  { c.at("State"); return c.fakeConn.State() }
func (c *fragile) RemoteAddr() net.Addr { c.at("RemoteAddr"); return c.fakeConn.RemoteAddr() }
func (c *fragile) SetDeadline(t time.Time) error {
	c.at("SetDeadline")
	return c.fakeConn.SetDeadline(t)
}
func (c *fragile) NetConn() net.Conn { c.at("NetConn"); return nil }
func (c *fragile) Unwatched() error  { c.at("Unwatched"); return nil }
func (c *fragile) Watch(f func(*health.DeadError)) (stop func()) {
	c.at("Watch")
	end := c.fakeConn.Watch(f)
	return func() { c.at("stop"); end() }
}

func (c *fragile) Info() (health.Info, error) {
	c.at("Info")
	return health.Info{BytesAcked: 1, BytesReceived: c.got.Load()}, nil
}

// foreign is a fragile of no package, as somebody else's is of none of this module.
type foreign = struct{ *fragile }

func TestAConnectionThatPanicsLosesNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Close", "Err", "State", "RemoteAddr", "SetDeadline", "Unwatched", "Watch", "stop", "Info"} {
		for name, now := range map[string]string{"when it is new": "new", "when it is idle": "idle", "when it is used": "used", "when it dies": "dies", "at the end": "end"} {
			t.Run(method+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e, f := new(endpoint), &fuse{method: method}
					arm := func(when string) {
						if now == when {
							f.times.Store(1)
						}
					}
					arm("new")
					p, err := New(Config[net.Conn]{
						MaxConns: 1, MinConns: 1, CheckAfter: 3 * time.Second, Heartbeat: 5 * time.Second, Monitor: Monitor{After: time.Second},
						Check: func(context.Context, net.Conn) error { return nil },
						Reset: func(context.Context, net.Conn) error { return nil },
						Dial: func(ctx context.Context) (net.Conn, error) {
							c, err := e.dial(ctx)
							if err != nil {
								return nil, err
							}
							return foreign{&fragile{c.(*fakeConn), f}}, nil
						},
					})
					if err != nil {
						t.Fatal(err)
					}
					use := func() {
						c, err := p.Acquire(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if v, ok := c.Value().(foreign); ok { // else it was aborted
							v.meter.Fault()
						}
						time.Sleep(1500 * time.Millisecond)
						c.Release()
					}
					synctest.Wait()
					arm("used")
					use()
					arm("idle")
					time.Sleep(10 * time.Second)
					arm("dies")
					for _, c := range e.all() {
						c.kill(health.Reset)
					}
					time.Sleep(time.Second)
					use()
					use()
					synctest.Wait()
					p.dialer.mu.Lock()
					places := p.dialer.places
					p.dialer.mu.Unlock()
					if st := p.Stats(); places != 1 || st.Conns != 1 || st.InUse != 0 || st.Dialing != 0 {
						t.Errorf("%d places, %+v", places, st)
					}
					arm("end")
					p.Close()
					if n := e.left(); n != 0 && method != "Close" {
						t.Errorf("%d are open", n)
					}
				})
			})
		}
	}
}

// nameless is a connection that does not say where it leads, and how it is in ways of its own.
type nameless struct {
	*fakeConn
	err  func() error
	tell func(func(*health.DeadError))
}

func (nameless) RemoteAddr() net.Addr { return nil }
func (c nameless) Err() error         { return c.err() }
func (c nameless) Watch(f func(*health.DeadError)) (stop func()) {
	c.tell(f)
	return func() {}
}

func TestAConnectionOfStrangeAnswersIsEvicted(t *testing.T) {
	t.Parallel()
	for name, strange := range map[string]func(dead *atomic.Bool) nameless{
		"a nil pointer that is an error": func(dead *atomic.Bool) nameless {
			return nameless{err: func() error {
				if dead.Load() {
					return (*health.DeadError)(nil)
				}
				return nil
			}, tell: func(func(*health.DeadError)) {}}
		},
		"a death of nothing": func(dead *atomic.Bool) nameless {
			return nameless{err: func() error { return nil }, tell: func(f func(*health.DeadError)) {
				go func() {
					for !dead.Load() {
						time.Sleep(time.Millisecond)
					}
					f(nil)
				}()
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				var dead [2]atomic.Bool
				dead[1].Store(false)
				p := newWrapped(t, e, func(c *fakeConn) nameless {
					n := strange(&dead[c.id-1])
					n.fakeConn = c
					return n
				}, func(c *Config[nameless]) { c.MaxConns = 1 })
				acquireWrapped(t, p).Release()
				dead[0].Store(true)
				time.Sleep(10 * time.Millisecond)
				c := acquireWrapped(t, p)
				if c.Value().id != 2 {
					t.Error("got the dead one")
				}
				c.Release()
				if st := p.Stats(); st.Recycled[ReasonDead] != 1 {
					t.Errorf("%+v", st)
				}
				dead[1].Store(true) // ends what waits for that
				time.Sleep(10 * time.Millisecond)
			})
		})
	}
}
