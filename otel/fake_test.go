package otelhale

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/netconn"
	"example.com/hale/pool"
)

// address is where the endpoint in memory claims to be.
const address = "orders.example:5432"

var errDialRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errConnRefused}

// endpoint is a server that exists in memory only. Its connections die when
// they are told.
type endpoint struct {
	observer *hale.Observer // of its dials; may be nil

	mu     sync.Mutex
	refuse error
	delay  time.Duration
	conns  []*fakeConn
}

// fakeConn knows its own state, as a hale.Conn does.
type fakeConn struct {
	net.Conn
	far net.Conn

	mu    sync.Mutex
	dead  *health.DeadError
	watch func(*health.DeadError)
}

func (e *endpoint) dial(ctx context.Context) (net.Conn, error) {
	if e.observer != nil {
		ctx = e.observer.DialStart(ctx, hale.DialStartInfo{Network: "tcp", Address: address})
	}
	start := time.Now()
	c, err := e.connect(ctx)
	if e.observer != nil {
		e.observer.DialDone(ctx, hale.DialDoneInfo{Network: "tcp", Address: address, Duration: time.Since(start), Err: err})
	}
	return c, err
}

func (e *endpoint) connect(ctx context.Context) (net.Conn, error) {
	e.mu.Lock()
	delay := e.delay
	e.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refuse != nil {
		return nil, e.refuse
	}
	near, far := net.Pipe()
	c := &fakeConn{Conn: near, far: far}
	e.conns = append(e.conns, c)
	return c, nil
}

// set changes what later dials get.
func (e *endpoint) set(refuse error, delay time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refuse, e.delay = refuse, delay
}

// kill has c die of cause, after three seconds of silence.
func (c *fakeConn) kill(cause health.Cause) *health.DeadError {
	dead := &health.DeadError{Cause: cause, Op: "watch", Silence: 3 * time.Second, Detected: time.Now(), Err: errors.New("killed")}
	c.mu.Lock()
	c.dead = dead
	watch := c.watch
	c.mu.Unlock()
	if watch != nil {
		watch(dead)
	}
	return dead
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
	if c.Err() != nil {
		return health.Dead
	}
	return health.Alive
}

func (c *fakeConn) Watch(f func(*health.DeadError)) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch = f
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.watch = nil
	}
}

func (c *fakeConn) Meter() *netconn.Meter { return new(netconn.Meter) }

func (c *fakeConn) Close() error {
	c.far.Close()
	return c.Conn.Close()
}

// newPool is a pool named orders of e's connections, with its telemetry,
// closed when the test ends. Attempts to reconnect are a second apart.
func newPool(t testing.TB, telemetry *Telemetry, e *endpoint, change func(*pool.Config[*fakeConn])) (*pool.Pool[*fakeConn], *PoolTelemetry) {
	t.Helper()
	orders, err := telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	e.observer = orders.Dialer()
	config := pool.Config[*fakeConn]{
		Name:     orders.Name(),
		Dial:     e.dial,
		Open:     func(_ context.Context, c net.Conn) (*fakeConn, error) { return c.(*fakeConn), nil },
		MaxConns: 4,
		Backoff:  func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) },
		Observer: orders.Observer(),
	}
	if change != nil {
		change(&config)
	}
	p, err := pool.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := orders.Register(p); err != nil {
		t.Fatal(err)
	}
	return p, orders
}

func acquire(t testing.TB, ctx context.Context, p *pool.Pool[*fakeConn]) pool.Conn[*fakeConn] {
	t.Helper()
	c, err := p.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
