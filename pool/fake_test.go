package pool

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
	"example.com/hale/internal/notify"
)

// endpoint is a server that exists in memory only. Its connections are pipes
// that know their own state, as a hale.Conn does, and die when they are told.
type endpoint struct {
	mu           sync.Mutex
	refuse       error         // what a dial gets
	delay        time.Duration // what a dial takes
	most         int           // how many may be open before a dial gets errFull; 0 is no limit
	addr         string        // of the server that answers now
	conns        []*fakeConn   // all that were made
	open         int           // of them, those that are neither dead nor closed
	unclosed     int           // of them, those that are not closed
	mostUnclosed int
	dialing      int // dials under way
	mostOpen     int // the most that were open or being dialled at a time
	mostDial     int // the most dials at a time
	dials        int
	checks       int
	wipes        int // calls of Reset

	looks     atomic.Int64 // calls of Err
	spoiled   health.Cause // what new connections die of, until then
	spoiledTo time.Time
}

type fakeConn struct {
	net.Conn
	far      net.Conn
	endpoint *endpoint
	id       int

	mu      sync.Mutex
	dead    *health.DeadError
	watch   []*notify.Call[*health.DeadError]
	addr    fakeAddr
	suspect atomic.Bool
	hangs   atomic.Bool // does not answer checks
	sick    atomic.Bool // fails them
	meter   netconn.Meter
	got     atomic.Uint64 // bytes from the server
	closed  atomic.Bool
	out     atomic.Bool // counted as open no more
}

var (
	errRefused = errors.New("connection refused")
	errFull    = errors.New("too many connections")
)

func (e *endpoint) dial(ctx context.Context) (net.Conn, error) {
	e.mu.Lock()
	e.dials++
	e.dialing++
	e.mostDial = max(e.mostDial, e.dialing)
	e.mostOpen = max(e.mostOpen, e.open+e.dialing)
	delay := e.delay
	e.mu.Unlock()
	made := false
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !made {
			e.dialing--
		}
	}()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.refuse != nil:
		return nil, e.refuse
	case e.most > 0 && e.open >= e.most:
		return nil, errFull
	}
	near, far := net.Pipe()
	c := &fakeConn{Conn: near, far: far, endpoint: e, id: len(e.conns) + 1, addr: fakeAddr("server" + e.addr)}
	e.conns = append(e.conns, c)
	e.unclosed++
	e.mostUnclosed = max(e.mostUnclosed, e.unclosed)
	made = true
	e.dialing--
	e.open++
	return c, nil
}

// fakeAddr is the address of a server.
type fakeAddr string

func (a fakeAddr) Network() string { return "fake" }
func (a fakeAddr) String() string  { return string(a) }

func (c *fakeConn) RemoteAddr() net.Addr { return c.addr }

// check is what a Config's Check may be.
func (e *endpoint) check(ctx context.Context, c *fakeConn) error {
	e.mu.Lock()
	e.checks++
	e.mu.Unlock()
	return c.answer(ctx)
}

// wipe is what a Config's Reset may be.
func (e *endpoint) wipe(ctx context.Context, c *fakeConn) error {
	e.mu.Lock()
	e.wipes++
	e.mu.Unlock()
	return c.answer(ctx)
}

var errSick = errors.New("sick")

func (c *fakeConn) answer(ctx context.Context) error {
	if c.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if c.sick.Load() {
		return errSick
	}
	if err := c.Err(); err != nil {
		return err
	}
	return nil
}

// all returns the connections made so far.
func (e *endpoint) all() []*fakeConn {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.conns)
}

func (e *endpoint) asked() (checks, wipes int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.checks, e.wipes
}

// left is how many are not closed.
func (e *endpoint) left() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unclosed
}

func (e *endpoint) setRefuse(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refuse = err
}

// allow has the server take so many connections at a time; 0 is any number.
func (e *endpoint) allow(most int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.most = most
}

func (e *endpoint) setDelay(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.delay = d
}

func (e *endpoint) counts() (dials, open, mostOpen int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dials, e.open, e.mostOpen
}

// kill has c die, as by the death watch.
func (c *fakeConn) kill(cause health.Cause) {
	c.die(&health.DeadError{Cause: cause, Op: "watch", Silence: 3 * time.Second, Detected: time.Now(), Err: errors.New("killed")})
}

func (c *fakeConn) die(dead *health.DeadError) {
	c.mu.Lock()
	if c.dead != nil || c.closed.Load() {
		c.mu.Unlock()
		return
	}
	c.dead = dead
	watch := c.watch
	c.mu.Unlock()
	c.gone()
	c.Conn.SetDeadline(netconn.Past) // wakes who is blocked
	for _, call := range watch {
		call.Fire(dead)
	}
}

func (c *fakeConn) Err() error {
	c.endpoint.looks.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead == nil {
		return nil
	}
	return c.dead
}

func (c *fakeConn) State() health.State {
	switch {
	case c.Err() != nil:
		return health.Dead
	case c.suspect.Load():
		return health.Suspect
	}
	return health.Alive
}

// Watch is as that of a hale.Conn: what has happened is told at once, and stop
// waits for a call that is under way.
func (c *fakeConn) Watch(f func(*health.DeadError)) (stop func()) {
	call := notify.New(f)
	c.mu.Lock()
	c.watch = append(c.watch, call)
	dead := c.dead
	c.mu.Unlock()
	if dead != nil {
		call.Fire(dead)
	}
	c.endpoint.mu.Lock()
	cause, to := c.endpoint.spoiled, c.endpoint.spoiledTo
	c.endpoint.mu.Unlock()
	if time.Now().Before(to) {
		c.kill(cause)
	}
	return call.Stop
}

func (c *fakeConn) Meter() *netconn.Meter { return &c.meter }

func (c *fakeConn) Received() uint64             { return c.got.Load() }
func (c *fakeConn) Abort(dead *health.DeadError) { c.die(dead) }

func (c *fakeConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.got.Add(uint64(n))
	return n, c.failed(err)
}

func (c *fakeConn) Write(b []byte) (int, error) {
	if err := c.Err(); err != nil {
		return 0, c.failed(err)
	}
	n, err := c.Conn.Write(b)
	c.meter.Wrote(int64(n))
	return n, c.failed(err)
}

func (c *fakeConn) failed(err error) error {
	if err == nil {
		return nil
	}
	c.meter.Fault()
	if dead := c.Err(); dead != nil {
		return dead
	}
	return err
}

func (c *fakeConn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.gone()
	c.endpoint.mu.Lock()
	c.endpoint.unclosed--
	c.endpoint.mu.Unlock()
	c.far.Close()
	return c.Conn.Close()
}

// gone counts a connection out, once.
func (c *fakeConn) gone() {
	if !c.out.Swap(true) {
		c.endpoint.mu.Lock()
		c.endpoint.open--
		c.endpoint.mu.Unlock()
	}
}

// newPool is a pool of e's connections, closed when the test ends.
func newPool(t *testing.T, e *endpoint, change func(*Config[*fakeConn])) *Pool[*fakeConn] {
	t.Helper()
	config := Config[*fakeConn]{
		Dial:     e.dial,
		Open:     func(_ context.Context, c net.Conn) (*fakeConn, error) { return c.(*fakeConn), nil },
		MaxConns: 4,
	}
	if change != nil {
		change(&config)
	}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// openFake is what a Config's Open may be.
func openFake(_ context.Context, c net.Conn) (*fakeConn, error) { return c.(*fakeConn), nil }

func acquire(t *testing.T, p *Pool[*fakeConn]) Conn[*fakeConn] {
	t.Helper()
	c, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// spoil has every connection that is made within a second die as soon as
// it is watched.
func (e *endpoint) spoil(cause health.Cause) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spoiled, e.spoiledTo = cause, time.Now().Add(time.Second)
}

// newWrapped is a pool of e's connections in something else.
func newWrapped[T net.Conn](t *testing.T, e *endpoint, wrap func(*fakeConn) T, options ...func(*Config[T])) *Pool[T] {
	t.Helper()
	config := Config[T]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			c, err := e.dial(ctx)
			if err != nil {
				return nil, err
			}
			return wrap(c.(*fakeConn)), nil
		},
		Open: func(_ context.Context, c net.Conn) (T, error) {
			found, _ := netconn.Find[T](c)
			return found, nil
		},
		MaxConns: 4,
	}
	for _, option := range options {
		option(&config)
	}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func acquireWrapped[T any](t *testing.T, p *Pool[T]) Conn[T] {
	t.Helper()
	c, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
