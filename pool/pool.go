package pool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/jackc/puddle/v2"

	"example.com/hale/health/heartbeat"
)

// A Pool keeps connections to one endpoint; see the package's documentation.
// It is safe for concurrent use. The zero Pool is of no use: call [New].
type Pool[T any] struct {
	config Config[T]
	slots  *puddle.Pool[*slot[T]]
	prober *heartbeat.Prober // nil without heartbeats

	epoch   atomic.Uint64 // counts Invalidate; with the bit shut once nothing is handed out any more
	callers atomic.Int64  // in Acquire or holding a connection; kept only for MaxWaiters

	queued   atomic.Int64  // callers in waiters
	refusals atomic.Uint64 // dials that failed

	// life ends when the pool is closed, and with it the dials. only is the
	// context in which construct makes nothing, so that TryAcquire gives what
	// is idle and starts nothing.
	life     context.Context
	end      context.CancelFunc
	only     context.Context
	idlers   sync.Pool     // waiters to use again
	wg       group         // goroutines of the pool: maintenance, dials, closers
	told     sync.Once     // that the pool is closed
	hurried  chan struct{} // closed once nothing is closed gently any more
	hastened sync.Once
	wake     chan struct{} // has maintenance look around; never blocks
	reached  chan struct{} // tells who reconnects that somebody else's dial succeeded
	room     chan struct{} // tells who reconnects that a place or a dial has come free
	hurry    chan struct{} // ends the pause of who reconnects

	_        [64]byte     // what every caller writes is apart from what every caller reads
	acquires atomic.Int64 // that got a connection
	waits    atomic.Int64 // of them, those that waited
	waitTime atomic.Int64 // of all, in nanoseconds
	waiting  atomic.Int64 // callers that wait
	_        [64]byte

	// mu guards what follows. No call-out and no I/O under it.
	mu          sync.Mutex
	closed      bool
	invalid     string                // what Invalidate was told last
	filled      map[*slot[T]]struct{} // every slot with a connection
	waiters     waitList[T]
	aside       []*slot[T] // suspect, and kept from everybody until they recover or die
	places      int        // taken, of MaxConns: by slots with a connection that is not closed, and by dials
	dialing     int        // dials under way
	sweeping    int        // who holds every idle slot for a moment
	outages     outages
	reconnector reconnector
	telling     bool // somebody tells the Observer of outages
	stats       stats
}

// shut is the bit of the epoch that makes every slot unfit at once.
const shut = 1 << 63

// New returns a pool. It opens MinConns connections in the background; an
// endpoint that cannot be reached is no error but an outage. The error says
// which field of config is wrong. The caller closes the pool.
func New[T any](config Config[T]) (*Pool[T], error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pool[T]{
		config:  config,
		wake:    make(chan struct{}, 1),
		reached: make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
		hurry:   make(chan struct{}, 1),
		hurried: make(chan struct{}),
		filled:  make(map[*slot[T]]struct{}),
		reconnector: reconnector{
			backoff: config.Backoff(), stable: config.StableAfter, grace: config.CheckTimeout, pause: firstPause,
		},
	}
	if p.reconnector.backoff == nil {
		return nil, configError("Backoff", "nil", "what it returned")
	}
	p.life, p.end = context.WithCancel(context.Background())
	p.only = context.WithValue(p.life, constructKey{}, constructor[T](noSlot[T]))
	p.slots, err = puddle.NewPool(&puddle.Config[*slot[T]]{
		Constructor: p.construct,
		Destructor:  p.destruct,
		MaxSize:     int32(config.MaxConns),
	})
	if err != nil {
		return nil, err
	}
	p.prober = p.newProber()
	p.wg.Go(p.maintain)
	p.nudge()
	return p, nil
}

// Acquire returns a connection that no other caller has and that is well as far
// as is known: the kernel has not given it up, no probe is unanswered, it is
// not too old and not invalidated. If there is none, Acquire waits for one to
// be released or dialled, in turn, until ctx ends; a dial goes on for the next
// caller if the one that it was started for has left.
//
// The error matches ctx.Err() if ctx ended, [ErrUnavailable] if the endpoint
// could not be reached until then (or is down, with FailFast),
// [ErrTooManyWaiters], or [ErrClosed]; for all of them [SafeToRetry] holds.
//
// Release or Close the connection when done.
func (p *Pool[T]) Acquire(ctx context.Context) (Conn[T], error) {
	if p.config.MaxWaiters > 0 && p.callers.Add(1) > int64(p.config.MaxConns+p.config.MaxWaiters) {
		p.callers.Add(-1)
		return Conn[T]{}, ErrTooManyWaiters
	}
	s, turn, err := p.acquire(ctx)
	if err != nil {
		p.leave()
		return Conn[T]{}, err
	}
	p.acquires.Add(1)
	return Conn[T]{pool: p, slot: s, turn: turn}, nil
}

// leave ends what Acquire has counted.
func (p *Pool[T]) leave() {
	if p.config.MaxWaiters > 0 {
		p.callers.Add(-1)
	}
}

// acquire returns a slot that is fit for use and belongs to the caller for the
// turn.
func (p *Pool[T]) acquire(ctx context.Context) (s *slot[T], turn uint64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, unsent(err)
	}
	if p.queued.Load() == 0 { // or else everybody in turn
		s = p.takeIdle()
	}
	if s != nil && (s.vital != nil || s.peek.raw != nil) && p.config.CheckAfter == 0 {
		if turn, err = p.claim(ctx, s); err != errUnfit {
			return s, turn, err
		}
	}
	return p.choose(ctx, s)
}

// errUnfit is a slot that must not be handed out, and is still the caller's.
var errUnfit = errors.New("pool: unfit")

// claim makes a slot the caller's, unless something speaks against it. Whoever
// condemns a slot looks afterwards whether it is held, and claim looks
// afterwards whether it is condemned: one of the two sees the other.
func (p *Pool[T]) claim(ctx context.Context, s *slot[T]) (turn uint64, err error) {
	if s.look() != clean {
		return 0, errUnfit
	}
	s.begin()
	s.asked = p.refusals.Load()
	if p.config.Observer.wantsHolder() {
		s.holder.set(ctx, p.config.LeakAfter > 0)
	}
	turn = s.take()
	if s.fit(p.epoch.Load()) {
		return turn, nil
	}
	if !s.giveUp(turn) {
		return 0, ErrClosed // Shutdown has taken it away
	}
	return 0, errUnfit
}

// choose goes from one idle slot to the next, beginning with s if there is
// one, until it has one that may be used; with none left, it waits.
func (p *Pool[T]) choose(ctx context.Context, s *slot[T]) (_ *slot[T], turn uint64, err error) {
	k := seeker[T]{pool: p, own: ctx, ctx: ctx, tried: s == nil, mayCheck: true}
	returned, got := false, Conn[T]{}
	defer func() {
		if !returned { // a hook panicked
			k.leave()
			if !got.end() {
				p.leave()
			} else {
				p.putBack(got.slot, got.slot.faulty())
			}
		}
	}()
	if s, turn, err = k.seek(s); err == nil {
		got = Conn[T]{pool: p, slot: s, turn: turn}
	}
	k.done(err)
	returned = true
	return s, turn, err
}

// nudge has maintenance look around.
func (p *Pool[T]) nudge() { signal(p.wake) }

// signal leaves a sign in c, which holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
