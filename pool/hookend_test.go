package pool

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// endIn is an Observer of which the named hook ends its goroutine, once.
func endIn(name string, once *atomic.Bool) *Observer {
	o := new(Observer)
	hook := reflect.ValueOf(o).Elem().FieldByName(name)
	hook.Set(reflect.MakeFunc(hook.Type(), func(args []reflect.Value) []reflect.Value {
		if !once.Swap(true) {
			runtime.Goexit()
		}
		if hook.Type().NumOut() == 1 {
			return args[:1]
		}
		return nil
	}))
	return o
}

// sickOnce is a Check that fails once.
func sickOnce() func(context.Context, *fakeConn) error {
	var asked atomic.Bool
	return func(context.Context, *fakeConn) error {
		if !asked.Swap(true) {
			return errSick
		}
		return nil
	}
}

// Every hook has a row, for where it is called on a goroutine of the pool's; or, with
// none, on its caller's, which hookpanic_test.go is about. (A panic there is the end of
// the process.)
func TestAHookThatEndsAGoroutineOfThePoolLosesNothing(t *testing.T) {
	t.Parallel()
	type scene struct {
		change func(c *Config[*fakeConn])
		run    func(t *testing.T, e *endpoint, p *Pool[*fakeConn])
	}
	dies := func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) { e.all()[0].kill(health.KeepAliveTimeout) }
	refused := func(_ *testing.T, e *endpoint, _ *Pool[*fakeConn]) {
		e.setRefuse(errRefused)
		e.all()[0].kill(health.Reset)
		time.Sleep(time.Second)
		e.setRefuse(nil)
	}
	waits := func(*testing.T, *endpoint, *Pool[*fakeConn]) { time.Sleep(5 * time.Second) }
	none := func(*Config[*fakeConn]) {}
	scenes := map[string][]scene{
		"AcquireStart": nil, "AcquireDone": nil, "Acquired": nil, "Closed": nil,
		"Release": {{func(c *Config[*fakeConn]) { c.Reset = func(context.Context, *fakeConn) error { return nil } },
			func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
				c := acquire(t, p)
				c.Value().meter.Fault()
				c.Release()
			}}},
		"Evict": {
			{none, dies},
			{func(c *Config[*fakeConn]) { c.MaxConnLifetime = time.Second }, waits},
			{func(c *Config[*fakeConn]) {
				c.Heartbeat, c.Check = time.Second, sickOnce()
			}, waits},
		},
		"OutageBegin":    {{none, dies}, {none, refused}},
		"OutageEnd":      {{none, dies}, {none, refused}},
		"ReconnectStart": {{none, dies}, {none, refused}},
		"ReconnectDone":  {{none, dies}, {none, refused}},
		"Refill":         {{none, refused}},
		"Leak": {{func(c *Config[*fakeConn]) { c.LeakAfter = time.Second }, func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
			c := acquire(t, p)
			time.Sleep(3 * time.Second)
			c.Release()
		}}},
		"Heartbeat": {
			{func(c *Config[*fakeConn]) {
				c.Heartbeat, c.Check = time.Second, func(context.Context, *fakeConn) error { return nil }
			}, waits},
			{func(c *Config[*fakeConn]) {
				c.Heartbeat, c.Check = time.Second, sickOnce()
			}, waits},
			{func(c *Config[*fakeConn]) {
				c.Monitor.After, c.Check = time.Second, func(context.Context, *fakeConn) error { return nil }
			}, func(t *testing.T, _ *endpoint, p *Pool[*fakeConn]) {
				c := acquire(t, p)
				c.Value().got.Add(1)
				time.Sleep(5 * time.Second)
				c.Release()
			}},
		},
		"Resolved": {{func(c *Config[*fakeConn]) {
			c.ResolveEvery, c.Resolve = time.Second, func(context.Context) ([]netip.Addr, error) { return nil, errSick }
		}, waits}},
		"Unwatched": {{func(c *Config[*fakeConn]) {
			dial := c.Dial
			c.Dial = func(ctx context.Context) (net.Conn, error) {
				conn, err := dial(ctx)
				if err != nil {
					return nil, err
				}
				return struct{ net.Conn }{&hidden{conn}}, nil
			}
			c.Open = func(_ context.Context, conn net.Conn) (*fakeConn, error) {
				return conn.(*countedConn).Conn.(struct{ net.Conn }).Conn.(*hidden).conn.(*fakeConn), nil
			}
		}, waits}},
	}
	for _, hook := range reflect.VisibleFields(reflect.TypeFor[Observer]()) {
		rows, known := scenes[hook.Name]
		if !known {
			t.Errorf("%s has no row", hook.Name)
		}
		for _, s := range rows {
			t.Run(hook.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e, once := new(endpoint), new(atomic.Bool)
					p := newPool(t, e, func(c *Config[*fakeConn]) {
						c.MaxConns, c.MinConns, c.Observer = 1, 1, endIn(hook.Name, once)
						s.change(c)
					})
					synctest.Wait()
					done := make(chan bool)
					go func() { // whose goroutine may be it
						defer close(done)
						s.run(t, e, p)
					}()
					<-done
					time.Sleep(5 * time.Second)
					if !once.Load() {
						t.Error("it was not called")
					}
					for range 3 {
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						c, err := p.Acquire(ctx)
						cancel()
						if err != nil {
							t.Fatal(errors.Join(err, errors.New("afterwards")))
						}
						c.Release()
					}
					acquire(t, p).Close()
					time.Sleep(time.Second)
					synctest.Wait()
					if st := p.Stats(); placesOf(p) != 1 || st.Conns != 1 || st.Dialing != 0 || st.Down || st.InUse != 0 {
						t.Errorf("%d places, %+v", placesOf(p), st)
					}
					p.Close()
					if n := e.left(); n != 0 {
						t.Errorf("%d are open", n)
					}
				})
			})
		}
	}
}

// hidden is a connection that hides what is under it.
type hidden struct{ conn net.Conn }

func (h *hidden) Read(b []byte) (int, error)         { return h.conn.Read(b) }
func (h *hidden) Write(b []byte) (int, error)        { return h.conn.Write(b) }
func (h *hidden) Close() error                       { return h.conn.Close() }
func (h *hidden) LocalAddr() net.Addr                { return h.conn.LocalAddr() }
func (h *hidden) RemoteAddr() net.Addr               { return h.conn.RemoteAddr() }
func (h *hidden) SetDeadline(t time.Time) error      { return h.conn.SetDeadline(t) }
func (h *hidden) SetReadDeadline(t time.Time) error  { return h.conn.SetReadDeadline(t) }
func (h *hidden) SetWriteDeadline(t time.Time) error { return h.conn.SetWriteDeadline(t) }
