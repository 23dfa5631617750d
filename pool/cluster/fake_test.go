package cluster

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
	"example.com/hale/pool"
)

// A site is servers that exist in memory only.
type site struct {
	mu    sync.Mutex
	hosts map[string]*host
}

func newSite(names ...string) *site {
	s := &site{hosts: make(map[string]*host)}
	for _, name := range names {
		s.host(name)
	}
	return s
}

// host is a server of the site, which is made if there is none.
func (s *site) host(name string) *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[name]
	if h == nil {
		h = &host{name: name}
		s.hosts[name] = h
	}
	return h
}

func (s *site) dial(ctx context.Context, e Endpoint) (net.Conn, error) {
	return s.host(e.Address).dial(ctx)
}

// host is one server. Its connections are pipes that know their own state, as a
// hale.Conn does.
type host struct {
	name        string
	role        atomic.Int64 // a Role
	asked       atomic.Int64 // for it
	mu          sync.Mutex
	refuse      error         // what a dial gets
	delay       time.Duration // what a dial takes
	thinks      atomic.Int64  // what an answer to the question for its role takes, as a Duration
	saidPrimary atomic.Int64  // when it has said last that it is the primary
	hangs       atomic.Bool   // it does not answer that
	frozen      bool          // dials hang, until their ctx ends
	conns       []*fakeConn   // that are open
	dials       int
}

type fakeConn struct {
	net.Conn
	far   net.Conn
	host  *host
	meter netconn.Meter
	held  atomic.Bool

	mu      sync.Mutex
	dead    *health.DeadError
	watch   []*notify.Call[*health.DeadError]
	suspect atomic.Bool
	closed  atomic.Bool
}

var errRefused = errors.New("connection refused")

func (h *host) dial(ctx context.Context) (net.Conn, error) {
	h.mu.Lock()
	h.dials++
	delay, frozen := h.delay, h.frozen
	h.mu.Unlock()
	if frozen {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return nil, h.refuse
	}
	if h.frozen {
		return nil, context.DeadlineExceeded
	}
	near, far := net.Pipe()
	c := &fakeConn{Conn: near, far: far, host: h}
	h.conns = append(h.conns, c)
	return c, nil
}

// down has all connections die, and dials refused; up ends that.
func (h *host) down(cause health.Cause) {
	h.mu.Lock()
	h.refuse = errRefused
	conns := slices.Clone(h.conns)
	h.mu.Unlock()
	for _, c := range conns {
		c.kill(cause)
	}
}

func (h *host) up() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse, h.frozen = nil, false
}

// freeze has dials hang, and the connections die by silence after a time.
func (h *host) freeze(detected time.Duration) {
	h.mu.Lock()
	h.frozen = true
	conns := slices.Clone(h.conns)
	h.mu.Unlock()
	time.AfterFunc(detected, func() {
		for _, c := range conns {
			c.kill(health.KeepAliveTimeout)
		}
	})
}

func (h *host) think(d time.Duration) { h.thinks.Store(int64(d)) }

func (h *host) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *host) hang(yes bool) { h.hangs.Store(yes) }

func (h *host) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

func (h *host) dialled() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dials
}

// open is all that is open at the site.
func (s *site) open() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hosts {
		n += h.open()
	}
	return n
}

type fakeAddr string

func (a fakeAddr) Network() string { return "fake" }
func (a fakeAddr) String() string  { return string(a) }

func (c *fakeConn) RemoteAddr() net.Addr  { return fakeAddr(c.host.name) }
func (c *fakeConn) Meter() *netconn.Meter { return &c.meter }

func (c *fakeConn) kill(cause health.Cause) {
	dead := &health.DeadError{Cause: cause, Op: "watch", Silence: 3 * time.Second, Detected: time.Now(), Err: errors.New("killed")}
	c.mu.Lock()
	if c.dead != nil || c.closed.Load() {
		c.mu.Unlock()
		return
	}
	c.dead = dead
	watch := c.watch
	c.mu.Unlock()
	c.gone()
	c.Conn.SetDeadline(netconn.Past)
	for _, call := range watch {
		call.Fire(dead)
	}
}

func (c *fakeConn) Err() error {
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

func (c *fakeConn) Watch(f func(*health.DeadError)) (stop func()) {
	call := notify.New(f)
	c.mu.Lock()
	c.watch = append(c.watch, call)
	dead := c.dead
	c.mu.Unlock()
	if dead != nil {
		call.Fire(dead)
	}
	return call.Stop
}

func (c *fakeConn) gone() {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	c.host.conns = slices.DeleteFunc(c.host.conns, func(o *fakeConn) bool { return o == c })
}

func (c *fakeConn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.gone()
	c.far.Close()
	return c.Conn.Close()
}

// wrote has the connection count bytes as written.
func (c *fakeConn) wrote() { c.meter.Wrote(1) }

// die has the connection die under a request, and returns what that gets.
func (c *fakeConn) die(cause health.Cause) error {
	c.kill(cause)
	c.meter.Fault()
	return c.Err()
}

func openFake(_ context.Context, c net.Conn) (*fakeConn, error) { return c.(*fakeConn), nil }

func askRole(ctx context.Context, c *fakeConn) (Role, error) {
	c.host.asked.Add(1)
	if c.host.hangs.Load() {
		<-ctx.Done()
		return Any, ctx.Err()
	}
	select {
	case <-time.After(time.Duration(c.host.thinks.Load())):
	case <-ctx.Done():
		return Any, ctx.Err()
	}
	if err := c.Err(); err != nil {
		return Any, err
	}
	role := Role(c.host.role.Load())
	if role == Primary {
		c.host.saidPrimary.Store(time.Now().UnixNano())
	}
	return role, nil
}

// newCluster is a cluster of all of a site's hosts that there are, closed when the
// test ends.
func newCluster(t *testing.T, s *site, change func(*Config[*fakeConn])) *Cluster[*fakeConn] {
	t.Helper()
	var names []string
	for name := range s.hosts {
		names = append(names, name)
	}
	slices.Sort(names)
	config := Config[*fakeConn]{Resolve: Static(names...), Dial: s.dial, MaxConns: 100, Pool: pool.Config[*fakeConn]{Open: openFake}}
	if change != nil {
		change(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func acquire(t *testing.T, c *Cluster[*fakeConn], ctx context.Context) Conn[*fakeConn] {
	t.Helper()
	conn, err := c.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// endpoints is a resolver that a test changes.
type endpoints struct {
	mu  sync.Mutex
	all []Endpoint
	err error
	n   int
}

func (e *endpoints) set(err error, addresses ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all, e.err = nil, err
	for _, a := range addresses {
		e.all = append(e.all, Endpoint{Address: a})
	}
}

func (e *endpoints) resolve(context.Context) ([]Endpoint, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
	return slices.Clone(e.all), e.err
}

func (e *endpoints) asked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.n
}

// A teller is a Watch by which a test tells of endpoints.
type teller struct {
	known  chan struct{} // closed when there is update
	update func([]Endpoint) error
}

// tells has a Config's endpoints told by a test.
func tells(c *Config[*fakeConn]) *teller {
	w := &teller{known: make(chan struct{})}
	c.Resolve, c.Watch = nil, func(ctx context.Context, update func([]Endpoint) error) error {
		w.update = update
		close(w.known)
		<-ctx.Done()
		return nil
	}
	return w
}

func (w *teller) tell(t *testing.T, all ...Endpoint) {
	t.Helper()
	<-w.known
	if err := w.update(all); err != nil {
		t.Error(err)
	}
}

// roles tells what a and b are.
func (w *teller) roles(t *testing.T, a, b Role) {
	t.Helper()
	w.tell(t, Endpoint{Address: "a", Role: a}, Endpoint{Address: "b", Role: b})
}
