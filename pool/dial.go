package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"time"

	"github.com/jackc/puddle/v2"

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
// still has shown nothing of the endpoint: it is made again, once. One that
// Invalidate has interrupted is as well.
func (p *Pool[T]) open(ctx context.Context, s *slot[T]) error {
	start := time.Now()
	conn, again, err := p.connect(ctx, s)
	for stood := false; again == invalidated || again == stoodStill && !stood; {
		stood = stood || again == stoodStill
		start = time.Now()
		conn, again, err = p.connect(ctx, s)
	}
	p.countDial(time.Since(start), err)
	if err == nil {
		p.fill(s, conn)
	}
	return err
}

// again is why a dial that failed has shown nothing of the endpoint.
type again int

const (
	notAgain    again = iota
	stoodStill        // it timed out, and this process stood still meanwhile
	invalidated       // it was begun before the last Invalidate
)

// connect makes a connection and what s has of it, but for what fill does.
func (p *Pool[T]) connect(ctx context.Context, s *slot[T]) (conn net.Conn, why again, err error) {
	era := p.currentEra()
	span := awake.Begin(p.config.DialTimeout)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.config.DialTimeout)
	defer cancel()
	defer context.AfterFunc(era, cancel)()
	s.epoch = p.epoch.Load() &^ shut // nothing is fit any more once the bit is set
	conn, err = p.dialAndOpen(ctx, s)
	missed := span.Stop()
	switch {
	case err == nil:
	case era.Err() != nil && p.life.Err() == nil:
		return nil, invalidated, err
	case awake.Much(missed, p.config.DialTimeout) && timedOut(ctx, err):
		return nil, stoodStill, err
	}
	return conn, notAgain, err
}

func (p *Pool[T]) dialAndOpen(ctx context.Context, s *slot[T]) (net.Conn, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn = counted(conn)
	opened, err := p.openValue(ctx, conn)
	if err == nil {
		s.value = opened.value
		return conn, nil
	}
	if !await(run(func() { _ = guard("Close", conn.Close) }), lateAfter, p.hurried) {
		p.abort(conn)
	}
	if opened.ok { // too late
		p.closeValue(opened.value)
	}
	return nil, err
}

// opened is what Open has returned, and whether it is to be closed.
type opened[T any] struct {
	value T
	ok    bool
}

// timedOut reports whether err is a timeout, or comes after one of ctx.
func timedOut(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() == context.Canceled {
		return false
	}
	var timeout interface{ Timeout() bool }
	return ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout()
}

// dial is Config.Dial, and never returns neither a connection nor an error. A
// connection that comes too late is closed.
func (p *Pool[T]) dial(ctx context.Context) (net.Conn, error) {
	conn, err := guardUntil(ctx.Done(), "Dial", func() (net.Conn, error) { return p.dialRecorded(ctx) }, func(late net.Conn) {
		if !isNil(late) {
			_ = guard("Close", late.Close)
		}
	})
	if err == nil && isNil(conn) {
		err = errNoConn
	}
	return conn, err
}

// openValue is Config.Open. What comes too late, or after ctx has ended, is to be
// closed although there is an error.
func (p *Pool[T]) openValue(ctx context.Context, conn net.Conn) (opened[T], error) {
	if p.config.Open == nil {
		return opened[T]{any(conn).(T), true}, nil
	}
	return within(ctx, conn, "Open", func() (opened[T], error) {
		value, err := p.config.Open(ctx, conn)
		return opened[T]{value, err == nil}, err
	}, func(late opened[T]) { p.closeValue(late.value) })
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
	s.keepUnread, s.spoken = p.config.KeepUnread, p.config.Open != nil
	if !s.keepUnread || s.vital == nil {
		s.peek.at(conn)
	}
	s.begin()
	s.remote = conn.RemoteAddr().String()
	s.conn = conn
	p.mu.Lock()
	p.filled[s] = struct{}{}
	p.mu.Unlock()
	p.startHeartbeat(s)
	p.watch(s, conn)
}
