package pool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A Pool keeps connections to one endpoint; see the package's documentation.
// It is safe for concurrent use. The zero Pool is of no use: call [New].
//
// Its parts have one job each, and a lock if they need one. A connection's way
// through them: dialer allows the dial, maker makes it, conns lists the slot, idle
// stores it, queue has those who wait for it, evict is its way out, and closer ends
// it. What is in use is the monitor's to judge. The parts that decide (dialer, with
// reconnector and outages in it, addresses, size, closer and maker) do not know the
// Pool; those that act have it.
type Pool[T any] struct {
	config      Config[T]
	idle        idle[T]        // what nobody uses
	queue       queue[T]       // who waits
	conns       conns[T]       // every connection, whoever has it
	dialer      *dialer        // when to dial, and the account of outages
	maintenance maintenance[T] // what is to be done in time, or again
	maker       maker[T]       // how a connection is made
	closer      closer[T]      // how what leaves is closed
	checks      checks[T]      // who asks those in doubt
	heartbeats  heartbeats[T]  // what asks those that nobody uses whether they serve
	size        size[T]        // which are too many
	addresses   *addresses     // that the endpoint's name has; nil without Resolve
	monitor     *monitor[T]    // nil without a Monitor
	stats       stats

	epoch    atomic.Uint64 // counts Invalidate; with the bit shut once nothing is handed out any more
	callers  admission     // how many may wait
	refusals atomic.Uint64 // dials that failed
	waiting  atomic.Int64  // callers that wait
	acquires counter       // that got a connection
	tellsAll bool          // the Observer asks for every Acquire
	holds    bool          // who holds a connection is kept: for the Observer, or with LeakAfter
	ages     bool          // a limit depends on when a connection was used last

	life context.Context // ends when the pool is closed, and with it the dials
	end  context.CancelFunc
	era  era
	news news  // that there is a connection more which is well
	wg   group // goroutines of the pool: maintenance, dials, closers

	tellUnwatched sync.Once
	tellClosed    sync.Once
}

// shut is the bit of the epoch that makes every slot unfit at once.
const shut = 1 << 63

// New returns a pool. It opens MinConns connections in the background; an
// endpoint that cannot be reached is no error but an outage. The error says
// which field of config is wrong. The caller closes the pool.
func New[T any](config Config[T]) (*Pool[T], error) {
	return newWithLanes(config, lanesFor)
}

// newWithLanes is New for a store of so many lanes.
func newWithLanes[T any](config Config[T], lanes func(maxConns int) int) (*Pool[T], error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	pauses := config.Backoff()
	if pauses == nil {
		return nil, configError("Backoff", "nil", "what it returned")
	}
	p := &Pool[T]{
		config:   config,
		ages:     config.MaxConnIdleTime > 0 || config.CheckAfter > 0,
		holds:    config.LeakAfter > 0 || config.Observer.wantsHolder(),
		tellsAll: config.Observer.set().Acquired != nil,
	}
	if p.idle, err = newIdle(lanes(config.MaxConns), p.destruct); err != nil {
		return nil, err
	}
	p.life, p.end = context.WithCancel(context.Background())
	p.era.next(p.life, "", func() {})
	p.maker = maker[T]{dial: config.Dial, open: config.Open, limit: config.DialTimeout, begin: p.now, life: p.life, closer: &p.closer}
	p.closer.init(config)
	p.callers.most = config.MaxWaiters
	p.checks = checks[T]{p}
	p.queue.born = time.Now()
	p.conns.all = make(map[*slot[T]]struct{})
	p.dialer = newDialer(config.MaxConns, config.MinConns, config.MinIdleConns, config.MaxDials,
		config.StableAfter, config.CheckTimeout, pauses)
	p.dialer.reconnect = func() { p.wg.Keep(p.reconnect) }
	p.maintenance = maintenance[T]{pool: p, sign: make(chan struct{}, 1)}
	p.heartbeats.init(p)
	p.size.conns, p.size.dialer = &p.conns, p.dialer
	p.startResolver()
	p.startMonitor()
	p.wg.Keep(p.maintenance.run)
	p.maintenance.wake()
	return p, nil
}

// Acquire returns a connection that no other caller has and that is well as far
// as is known: the kernel has not given it up, no probe is unanswered, it is
// not too old and not invalidated. If there is none, Acquire waits for one to
// be released or dialled until ctx ends; a dial goes on for the next caller if
// the one that it was started for has left. Callers are served in turn, but for
// one thing: until a caller has waited for 100 µs, what comes free may go
// to one that comes later and does not have to be woken.
//
// The error matches ctx.Err() if ctx ended, [ErrUnavailable] if the endpoint
// could not be reached until then (or is down, with FailFast),
// [ErrTooManyWaiters], or [ErrClosed]; for all of them [SafeToRetry] holds. The
// text of one that ends a wait tells how things were then: how many connections
// were in use, or for how long the endpoint has been down and when it is dialled
// next.
//
// Release or Close the connection when done.
func (p *Pool[T]) Acquire(ctx context.Context) (Conn[T], error) {
	if !p.callers.enter(p.dialer) {
		return p.told(ctx, Conn[T]{}, 0, ErrTooManyWaiters)
	}
	s, use, wait, err := p.acquire(ctx)
	if err != nil {
		p.callers.leave()
		return p.told(ctx, Conn[T]{}, wait, err)
	}
	p.acquires.add(1)
	c := Conn[T]{pool: p, slot: s, use: use}
	if p.tellsAll {
		return p.told(ctx, c, wait, nil)
	}
	return c, nil
}

// acquire returns a slot that is fit for use and belongs to the caller for the
// use, and for how long it had to wait, if anybody asks.
func (p *Pool[T]) acquire(ctx context.Context) (s *slot[T], use uint64, wait time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, 0, unsent(err)
	}
	s = p.idle.pop()
	if s != nil && s.quick && !p.queue.strict() {
		if use, err = p.claim(ctx, s); err != errUnfit {
			return s, use, 0, err
		}
	}
	return p.choose(ctx, s)
}

// errUnfit is a slot that must not be handed out, and is still the caller's.
var errUnfit = errors.New("pool: unfit")

// claim makes a slot that is in the caller's hands its own for the next use,
// unless something speaks against it. Whoever shuts the pool, or invalidates
// what it has, looks afterwards whether a slot is held, and claim looks
// afterwards whether it is current: one of the two sees the other.
func (p *Pool[T]) claim(ctx context.Context, s *slot[T]) (use uint64, err error) {
	if s.look() != clean || !s.well() {
		return 0, errUnfit
	}
	s.begin()
	s.asked = p.refusals.Load()
	use, ok := s.do(claim, whichever)
	if !ok {
		return 0, errUnfit
	}
	if s.epoch != p.epoch.Load() {
		if _, ours := s.do(reclaim, use); !ours {
			return 0, ErrClosed // Shutdown has taken it away
		}
		return 0, errUnfit
	}
	p.hold(ctx, s)
	return use, nil
}

// hold notes who holds a slot, if anybody may ask.
func (p *Pool[T]) hold(ctx context.Context, s *slot[T]) {
	if p.holds {
		s.holder.set(ctx, p.config.LeakAfter > 0)
	}
}

// choose goes from one idle slot to the next, beginning with s if there is
// one, until it has one that may be used; with none left, it waits.
func (p *Pool[T]) choose(ctx context.Context, s *slot[T]) (_ *slot[T], use uint64, wait time.Duration, err error) {
	a := acquisition[T]{caller: caller[T]{p, ctx}, ctx: ctx, came: p.queue.now(), tried: s == nil, mayCheck: true}
	returned, got := false, Conn[T]{}
	defer func() {
		if !returned { // a hook panicked
			a.leave()
			if !got.end() {
				p.callers.leave()
			} else {
				p.putBack(got.slot, got.slot.faulty())
			}
		}
	}()
	if s != nil && !s.is(taken) && !p.own(s) {
		s = nil
	}
	if s, use, err = a.find(s); err == nil {
		got = Conn[T]{pool: p, slot: s, use: use}
	}
	wait = a.done(err)
	returned = true
	return s, use, wait, err
}

// demand is what there is and what is missing.
func (p *Pool[T]) demand() demand {
	now := demand{fit: int(p.conns.fit.Load()), waiters: p.queue.len()}
	if p.config.MinIdleConns > 0 {
		now.idle = p.conns.unused()
	}
	return now
}

// signal leaves a sign in c, which holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
