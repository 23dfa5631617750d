package pool

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/puddle/v2"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// BenchmarkAcquireRelease compares a verified Acquire and Release with raw
// puddle, which verifies nothing, and with puddle and a look at the socket
// (MSG_PEEK) at each Acquire. All have idle connections to give, 8 of them.
//
//	go test -run '^$' -bench AcquireRelease -count 10 ./pool | benchstat -col /pool -
func BenchmarkAcquireRelease(b *testing.B) {
	for _, parallel := range []bool{false, true} {
		name := map[bool]string{false: "alone", true: "contended"}[parallel]
		for _, rival := range rivals {
			b.Run("callers="+name+"/pool="+rival.name, func(b *testing.B) {
				use := rival.start(b)
				b.ReportAllocs()
				if !parallel {
					for b.Loop() {
						use()
					}
					return
				}
				b.SetParallelism(16)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						use()
					}
				})
			})
		}
	}
}

const benchConns = 8

var rivals = []struct {
	name  string
	start func(b *testing.B) (use func())
}{
	{"hale", func(b *testing.B) func() { return startHale(b, false, 0) }},
	{"hale-used", func(b *testing.B) func() { return startHale(b, true, 0) }},
	{"hale-heartbeat", func(b *testing.B) func() { return startHale(b, false, time.Hour) }},
	{"puddle", func(b *testing.B) func() { return startPuddle(b, nil) }},
	{"puddle+peek", func(b *testing.B) func() { return startPuddle(b, health.Check) }},
}

func startHale(b *testing.B, value bool, heartbeat time.Duration) func() {
	addr := sink(b)
	p, err := New(Config[net.Conn]{
		Dial:     func(ctx context.Context) (net.Conn, error) { return dialVital(ctx, addr) },
		MaxConns: benchConns, MinConns: benchConns,
		Heartbeat: heartbeat,
		Check:     func(context.Context, net.Conn) error { return nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	ctx := context.Background()
	return func() {
		c, err := p.Acquire(ctx)
		if err != nil {
			b.Error(err)
		}
		if value && c.Value() == nil {
			b.Error("nothing")
		}
		c.Release()
	}
}

func startPuddle(b *testing.B, check func(net.Conn) error) func() {
	addr := sink(b)
	p, err := puddle.NewPool(&puddle.Config[net.Conn]{
		Constructor: func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) },
		Destructor:  func(c net.Conn) { c.Close() },
		MaxSize:     benchConns,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	ctx := context.Background()
	return func() {
		r, err := p.Acquire(ctx)
		if err != nil {
			b.Error(err)
		}
		if check != nil && check(r.Value()) != nil {
			b.Error("dead")
		}
		r.Release()
	}
}

// vitalConn is a connection that knows its own state by atomic loads, as a
// hale.Conn does; this package cannot import that.
type vitalConn struct {
	*net.TCPConn
	dead    atomic.Pointer[health.DeadError]
	suspect atomic.Bool
	meter   netconn.Meter
}

func dialVital(ctx context.Context, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &vitalConn{TCPConn: c.(*net.TCPConn)}, nil
}

func (c *vitalConn) Meter() *netconn.Meter { return &c.meter }

func (c *vitalConn) Err() error {
	if dead := c.dead.Load(); dead != nil {
		return dead
	}
	return nil
}

func (c *vitalConn) State() health.State {
	switch {
	case c.dead.Load() != nil:
		return health.Dead
	case c.suspect.Load():
		return health.Suspect
	}
	return health.Alive
}

// sink accepts connections and keeps them.
func sink(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.Cleanup(func() { c.Close() })
		}
	}()
	return l.Addr().String()
}
