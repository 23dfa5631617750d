package pool

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"time"

	"github.com/jackc/puddle/v2"

	"example.com/hale/health"
	"example.com/hale/internal/awake"
	"example.com/hale/internal/netconn"
)

// constructor is what a context may tell construct to do.
type constructor[T any] func(ctx context.Context) (*slot[T], error)

type constructKey struct{}

// construct makes a slot as its context says.
func (p *Pool[T]) construct(ctx context.Context) (*slot[T], error) {
	make, ok := ctx.Value(constructKey{}).(constructor[T])
	if !ok {
		return nil, errNoSlot
	}
	return make(ctx)
}

var errNoSlot = errors.New("pool: nothing is idle")

func noSlot[T any](context.Context) (*slot[T], error) { return nil, errNoSlot }

// startDials dials for those who wait. The caller holds p.mu.
func (p *Pool[T]) startDials() {
	for !p.closed && p.reconnector.state == up && p.sweeping == 0 && p.dialing < p.waiters.len() && due(p.reconnector.dialAt) && p.reserve() {
		ctx := p.waiters.at(p.dialing - 1).ctx
		p.wg.Go(func() { _ = p.dialInto(ctx, p.open) }) // a failure has begun an outage
	}
}

// dialForWaiters is startDials for who does not hold p.mu.
func (p *Pool[T]) dialForWaiters() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.startDials()
}

// reserve takes a place for a dial, if there is room and are not too many under
// way. The caller holds p.mu.
func (p *Pool[T]) reserve() bool {
	if p.places >= p.config.MaxConns || p.dialing >= p.config.MaxDials {
		return false
	}
	p.places++
	p.dialing++
	return true
}

// opener is open, or something around it.
type opener[T any] func(ctx context.Context, s *slot[T]) error

// dialInto makes a connection for a place that was reserved, and gives it to
// whoever waits.
func (p *Pool[T]) dialInto(ctx context.Context, open opener[T]) error {
	start := time.Now()
	s, err := p.create(ctx, open)
	if err != nil {
		p.dialFailed(err, start)
		return err
	}
	p.dialed(s)
	p.feed()
	p.mu.Lock()
	p.dialing-- // only now, or else another would be dialled for the same caller
	p.startDials()
	p.mu.Unlock()
	signal(p.room)
	p.nudge()
	return nil
}

// create has puddle keep a place while the connection is made. There is one:
// but for a moment, a caller who finds nothing idle may hold it.
func (p *Pool[T]) create(ctx context.Context, open opener[T]) (s *slot[T], err error) {
	ours := context.WithValue(p.life, constructKey{}, constructor[T](func(context.Context) (*slot[T], error) {
		s = new(slot[T])
		return s, open(ctx, s)
	}))
	for range 1000 {
		if err = p.slots.CreateResource(ours); s != nil || err != puddle.ErrNotAvailable {
			break
		}
		runtime.Gosched()
	}
	return s, err
}

// open dials and fills s. A dial whose time was over because this process stood
// still has shown nothing of the endpoint: it is made again.
func (p *Pool[T]) open(ctx context.Context, s *slot[T]) error {
	start := time.Now()
	conn, stood, err := p.connect(ctx, s)
	if stood {
		start = time.Now()
		conn, _, err = p.connect(ctx, s)
	}
	p.countDial(time.Since(start), err)
	if err == nil {
		p.fill(s, conn)
	}
	return err
}

// connect makes a connection and what s has of it, but for what fill does. stood
// tells that it failed by a timeout, and this process stood still meanwhile.
func (p *Pool[T]) connect(ctx context.Context, s *slot[T]) (conn net.Conn, stood bool, err error) {
	span := awake.Begin(p.config.DialTimeout)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.config.DialTimeout)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	s.epoch = p.epoch.Load() &^ shut // nothing is fit any more once the bit is set
	conn, err = p.dialAndOpen(ctx, s)
	missed := span.Stop()
	return conn, awake.Much(missed, p.config.DialTimeout) && timedOut(ctx, err), err
}

func (p *Pool[T]) dialAndOpen(ctx context.Context, s *slot[T]) (net.Conn, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn = counted(conn)
	if s.value, err = p.openValue(ctx, conn); err != nil {
		_ = guard("Close", conn.Close)
		return nil, err
	}
	return conn, nil
}

// timedOut reports whether err is a timeout, or comes after one of ctx.
func timedOut(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() == context.Canceled {
		return false
	}
	var timeout interface{ Timeout() bool }
	return ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout()
}

// dial is Config.Dial, and never returns neither a connection nor an error.
func (p *Pool[T]) dial(ctx context.Context) (conn net.Conn, err error) {
	err = guard("Dial", func() error {
		conn, err = p.config.Dial(ctx)
		return err
	})
	if err == nil && isNil(conn) {
		err = errNoConn
	}
	return conn, err
}

func (p *Pool[T]) openValue(ctx context.Context, conn net.Conn) (value T, err error) {
	if p.config.Open == nil {
		return any(conn).(T), nil
	}
	err = within(ctx, conn, "Open", func() error {
		value, err = p.config.Open(ctx, conn)
		return err
	})
	return value, err
}

// fill makes s a slot of conn and has its death told.
func (p *Pool[T]) fill(s *slot[T], conn net.Conn) {
	s.opened = time.Now()
	if life := p.config.MaxConnLifetime; life > 0 {
		s.expiry = s.opened.Add(life - time.Duration(rand.Float64()*p.config.LifetimeJitter*float64(life)))
	}
	s.vital, _ = netconn.Find[vital](conn)
	s.meter = meterOf(conn)
	s.info = infoOf(conn)
	s.check = p.checkOf(conn)
	encrypted := s.encrypted(conn)
	s.keepUnread = p.config.KeepUnread
	if !s.keepUnread || s.vital == nil {
		s.peek.at(conn)
	}
	_, tcp := netconn.Find[*net.TCPConn](conn)
	s.quick = !encrypted && (tcp || s.vital != nil)
	s.begin()
	s.remote = conn.RemoteAddr().String()
	s.conn = conn
	p.mu.Lock()
	p.filled[s] = struct{}{}
	p.mu.Unlock()
	p.startHeartbeat(s)
	if w, ok := netconn.Find[watchable](conn); ok {
		stop := w.Watch(func(dead *health.DeadError) { p.died(s, dead) })
		p.mu.Lock()
		s.unwatch = stop
		p.mu.Unlock()
	}
}

// encrypted reports whether there is TLS on or around conn.
func (s *slot[T]) encrypted(conn net.Conn) bool {
	if _, ok := netconn.Find[*tls.Conn](conn); ok {
		return true
	}
	value, _ := any(s.value).(net.Conn)
	_, ok := netconn.Find[*tls.Conn](value)
	return ok
}
