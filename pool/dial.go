package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"example.com/hale/internal/awake"
	"example.com/hale/internal/netconn"
)

var errNoSlot = errors.New("pool: nothing is idle")

// dialForWaiters dials for those who wait and for whom nobody does.
func (p *Pool[T]) dialForWaiters() {
	for {
		before, ok := p.dialer.reserveForWaiter(p.queue.len)
		if !ok {
			return
		}
		ctx := p.queue.contextOf(before)
		if ctx == nil {
			ctx = p.life // it has been served meanwhile; the next one will be glad
		}
		p.wg.Go(func() { _ = p.dialInto(ctx, p.open) }) // a failure has begun an outage
	}
}

// opener is open, or something around it.
type opener[T any] func(ctx context.Context, s *slot[T]) error

// dialInto makes a connection for a place that was reserved, and gives it to
// whoever waits.
func (p *Pool[T]) dialInto(ctx context.Context, open opener[T]) error {
	start := time.Now()
	s := new(slot[T])
	opened := false
	defer func() {
		if !opened { // a hook has ended this goroutine
			p.dialBroken(s, start)
		}
	}()
	err := open(ctx, s)
	opened = true
	if err != nil {
		p.dialFailed(err, start)
		return err
	}
	p.dialer.succeeded(s.opened.time())
	if p.size.measure(s) {
		p.maintenance.untidy.Store(true) // nobody may come for it
	}
	if !p.idle.admit(s) { // the pool is closed
		s.move(take)
		p.evict(s, ReasonShutdown, nil)
	}
	p.conns.arrive(s)
	p.news.tell()
	p.serveWaiters()
	p.dialer.ended() // only now, or else another would be dialled for the same caller
	p.dialForWaiters()
	p.maintenance.wake()
	return nil
}

// errBroken is a dial whose goroutine a hook has ended.
var errBroken = errors.New("pool: a hook has ended the goroutine of a dial")

// dialBroken gives back what a dial has that did not come to an end.
func (p *Pool[T]) dialBroken(s *slot[T], start time.Time) {
	if s.number == 0 { // nobody knows of it yet
		p.dialFailed(errBroken, start)
		return
	}
	defer p.dialer.ended()
	s.move(take)
	p.evict(s, ReasonClosed, nil)
}

// open dials and fills s. A dial whose time was over because this process stood
// still has shown nothing of the endpoint: it is made again, once. One that
// Invalidate has interrupted is as well.
func (p *Pool[T]) open(ctx context.Context, s *slot[T]) error {
	start := time.Now()
	conn, again, err := p.maker.connect(ctx, s)
	for stood := false; again == invalidated || again == stoodStill && !stood; {
		stood = stood || again == stoodStill
		start = time.Now()
		conn, again, err = p.maker.connect(ctx, s)
	}
	took := time.Since(start)
	if err == nil {
		err = p.equipped(s, conn)
	}
	p.stats.dialed(took, err)
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

// maker makes connections, and what Open makes of them, in the time that there is
// for that.
type maker[T any] struct {
	dial   func(context.Context) (net.Conn, error)    // Config.Dial
	open   func(context.Context, net.Conn) (T, error) // Config.Open, or nil
	limit  time.Duration                              // Config.DialTimeout
	begin  func() (era context.Context, epoch uint64) // that a new connection belongs to
	life   context.Context                            // of the pool
	closer *closer[T]                                 // of what comes to nothing
}

// connect makes a connection and what s has of it, but for what fill does.
func (m *maker[T]) connect(ctx context.Context, s *slot[T]) (conn net.Conn, why again, err error) {
	era, epoch := m.begin()
	span := awake.Begin(m.limit)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.limit)
	defer cancel()
	defer context.AfterFunc(era, cancel)()
	s.epoch = epoch
	conn, err = m.dialAndOpen(ctx, s)
	missed := span.Stop()
	switch {
	case err == nil:
	case era.Err() != nil && m.life.Err() == nil:
		return nil, invalidated, err
	case awake.Much(missed, m.limit) && timedOut(ctx, err):
		return nil, stoodStill, err
	}
	return conn, notAgain, err
}

func (m *maker[T]) dialAndOpen(ctx context.Context, s *slot[T]) (net.Conn, error) {
	conn, err := m.dialInTime(ctx)
	if err != nil {
		return nil, err
	}
	conn = counted(conn)
	opened, err := m.openValue(ctx, conn)
	if err == nil {
		s.value = opened.value
		return conn, nil
	}
	m.closer.refuse(conn)
	if opened.ok { // too late
		m.closer.closeLate(opened.value)
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

// dialInTime never returns neither a connection nor an error. A connection that
// comes too late is closed.
func (m *maker[T]) dialInTime(ctx context.Context) (net.Conn, error) {
	conn, err := guardUntil(ctx.Done(), "Dial", func() (net.Conn, error) { return dialRecorded(ctx, m.dial) }, func(late net.Conn) {
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
func (m *maker[T]) openValue(ctx context.Context, conn net.Conn) (opened[T], error) {
	if m.open == nil {
		return opened[T]{any(conn).(T), true}, nil
	}
	return within(ctx, conn, "Open", func() (opened[T], error) {
		value, err := m.open(ctx, conn)
		return opened[T]{value, err == nil}, err
	}, func(late opened[T]) { m.closer.closeValue(late.value) })
}

// equipped is equip, which calls methods of conn. If one panics, conn is closed.
func (p *Pool[T]) equipped(s *slot[T], conn net.Conn) error {
	err := guard("Conn", func() error { p.equip(s, conn); return nil })
	if err != nil {
		p.closer.close(s, false)
	}
	return err
}

// equip makes s a slot of conn.
func (p *Pool[T]) equip(s *slot[T], conn net.Conn) {
	s.conn, s.opened = conn, momentNow()
	own, _ := netconn.Find[vital](conn)
	s.vital = vitalOf(own)
	s.meter = meterOf(conn)
	s.info = infoOf(conn)
	s.checkable = p.config.checkOf(conn) != nil
	s.keepUnread, s.spoken = p.config.KeepUnread, p.config.Open != nil
	if !s.keepUnread || s.vital == nil {
		s.peek = peekable(conn)
	}
	s.begin()
	s.addr = conn.RemoteAddr()
	s.remote = p.conns.name(textOf(s.addr))
	s.lastUsed, s.proved = s.opened, s.opened
	if p.holds {
		s.holder = new(holder)
	}
}

// fill makes s, a slot of conn, the pool's, and has its death told.
func (p *Pool[T]) fill(s *slot[T], conn net.Conn) {
	p.addresses.dialled(ipOf(s.remote))
	p.heartbeats.start(s)
	s.light = s.vital != nil && p.config.AfterRelease == nil
	s.quick = s.pulse == nil && p.config.PrepareAcquire == nil && p.config.CheckAfter == 0 && (s.vital != nil || s.peek != nil)
	p.conns.add(s)
	s.limitLife(&p.config, p.maintenance.wakeToTidy)
	p.watch(s, conn)
}

// limitLife has a timer mark s when its time is over, and call over, so that nobody has to ask
// for the time who wants to use it.
func (s *slot[T]) limitLife(config *Config[T], over func()) {
	life := config.MaxConnLifetime
	if life == 0 {
		return
	}
	life -= time.Duration(rand.Float64() * config.LifetimeJitter * float64(life))
	s.lifetime = time.AfterFunc(life, func() {
		s.mark(outlived)
		over()
	})
}
