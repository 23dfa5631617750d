package cluster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A Cluster keeps connections to the endpoints of a service; see the package's
// documentation. It is safe for concurrent use. The zero Cluster is of no use: call
// [New].
//
// Its parts: members is the endpoints and what is known of them, snapshot what
// follows of it for a caller, queue who waits for a place, budget what Do may send
// again. What happens comes from the pools' Observers, the resolver and the callers.
type Cluster[T any] struct {
	config   Config[T]
	snapshot atomic.Pointer[snapshot[T]]
	inUse    atomic.Int64 // places taken, at all members
	queue    queue[T]
	budget   budget
	tickets  sync.Pool
	open     openMembers[T]
	failing  atomic.Bool // a failover runs, which a use of the new primary ends
	looking  atomic.Bool // suspects are looked for
	fell     atomic.Bool // who prefers a replica got something else, and the Observer knows
	stats    counts
	born     time.Time

	life context.Context // ends when the cluster is closed
	end  context.CancelFunc
	wg   group

	lost  chan struct{} // has the endpoints resolved
	seek  chan struct{} // has the roles asked for
	due   chan struct{} // has the times looked at
	spill chan struct{} // has what is open counted

	updating sync.Mutex // held to change the endpoints, one update after the other; pools are made under it
	held     []held     // guarded by updating: what answers had, with Config.Hold
	release  chan struct{}

	// mu guards what follows, and what members say that it guards. No call-out
	// under it; the mutex of queue may be taken.
	mu        sync.Mutex
	closed    bool
	members   []*member[T]
	draining  []*member[T] // in the order in which they left
	gone      gone         // what the pools of those that are gone have counted
	rebuilt   time.Time    // when the snapshot was made
	resolved  bool         // endpoints were known once
	unknown   bool         // they were asked for in vain
	begun     uint64       // counts rounds of asking for roles
	rounds    uint64       // the last of them that has ended
	round     uint64       // the last one that does not tell whether there is a primary
	became    uint64       // counts members that became the primary
	panicking bool
	primary   *member[T] // the last one that could be reached; nil if there was none
	failover  *FailoverInfo
	news      chan struct{} // closed when the snapshot changes
	untold    []func()
	telling   bool
	toldEnd   bool
}

// New returns a cluster, and begins to find its endpoints in the background; that
// there are none, or none that can be reached, is no error. The error says which
// field of config is wrong. The caller closes the cluster.
func New[T any](config Config[T]) (*Cluster[T], error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster[T]{
		config: config, born: time.Now(),
		lost: make(chan struct{}, 1), seek: make(chan struct{}, 1), due: make(chan struct{}, 1), spill: make(chan struct{}, 1),
		release: make(chan struct{}, 1),
		news:    make(chan struct{}),
		became:  beforeAll,
	}
	c.budget = budget{ratio: config.Retry.Ratio, floor: config.Retry.PerSecond, born: c.born}
	c.tickets.New = func() any { return &ticket[T]{cluster: c} }
	c.life, c.end = context.WithCancel(context.Background())
	c.snapshot.Store(new(snapshot[T]))
	c.wg.Go(c.maintain)
	if config.Hold != 0 {
		c.wg.Go(c.releaseHeld)
	}
	if config.Role != nil {
		c.wg.Go(c.seekRoles)
	}
	if config.Watch != nil {
		c.wg.Go(c.watch)
	} else {
		c.wg.Go(c.resolve)
	}
	return c, nil
}

// Acquire returns a connection to an endpoint that fits the wish of ctx (see [Want]
// and [WithKey]), that no other caller has and that is well, as [pool.Pool.Acquire]
// has it. If there is no place, it waits in turn until ctx ends. For how long an
// endpoint is tried see the package's documentation.
//
// The error matches ctx.Err() if ctx has ended; [pool.ErrUnavailable] if until then
// no endpoint that fits the wish could be reached, and its text says of some of them
// why; [pool.ErrTooManyWaiters]; or [pool.ErrClosed]. For all of them
// [pool.SafeToRetry] holds.
//
// Release or Close the connection when done.
func (c *Cluster[T]) Acquire(ctx context.Context) (Conn[T], error) {
	return c.acquire(ctx, nil)
}

// acquire is Acquire of another endpoint than some, if there is one.
func (c *Cluster[T]) acquire(ctx context.Context, avoid set[T]) (Conn[T], error) {
	w := wishOf(ctx)
	if !w.role.valid() {
		return Conn[T]{}, unsent(configError("Want", w.role, "there is no such role"))
	}
	if c.queue.len() > 0 || ctx.Err() != nil {
		return c.acquireInTurn(ctx, w, nil, avoid)
	}
	m := c.admit(w, avoid)
	if m == nil {
		return c.acquireInTurn(ctx, w, nil, avoid)
	}
	got, m := c.tryIdle(ctx, w, m, avoid)
	if got.ticket != nil {
		return got, nil
	}
	return c.acquireInTurn(ctx, w, m, avoid)
}

// admit takes a place for a caller with a wish, if there is one, at another member
// than some if possible.
func (c *Cluster[T]) admit(w *wish, avoid set[T]) *member[T] {
	if m := c.enter(w, avoid); m != nil && c.placed(m) {
		return m
	}
	return nil
}

// placed takes one of all places for a caller that has one at m, or gives that back.
func (c *Cluster[T]) placed(m *member[T]) bool {
	if take(&c.inUse, int64(c.config.MaxConns)) {
		if !c.looking.Load() {
			c.beginLooking()
		}
		return true
	}
	m.inUse.Add(-1)
	c.served() // somebody may have found it taken
	return false
}

// enter takes a place at a member alone.
func (c *Cluster[T]) enter(w *wish, avoid set[T]) *member[T] {
	return c.snapshot.Load().of(w.role).enter(w, avoid)
}

// leave gives a place back.
func (c *Cluster[T]) leave(m *member[T]) {
	m.inUse.Add(-1)
	c.inUse.Add(-1)
	c.served()
}

// served has those served who wait, since there is a place more or another
// endpoint.
func (c *Cluster[T]) served() {
	if c.queue.len() > 0 {
		c.queue.serve(func(w *wish, avoid set[T]) *member[T] {
			m := c.enter(w, avoid)
			switch {
			case m == nil:
			case !take(&c.inUse, int64(c.config.MaxConns)):
				m.inUse.Add(-1)
				return nil
			default:
				c.beginLooking()
			}
			return m
		}, func() bool { return c.inUse.Load() >= int64(c.config.MaxConns) })
	}
}

// Invalidate makes every pool part with the connections that it has now, as
// [pool.Pool.Invalidate] does, has who is the primary asked for anew, ends all
// ejections, and has the endpoints resolved. reason reaches the Observers of the pools.
func (c *Cluster[T]) Invalidate(reason string) {
	c.mu.Lock()
	all := append([]*member[T]{}, c.members...)
	for _, m := range all {
		m.forget()
		m.ejection.until = time.Time{}
	}
	c.rebuild()
	c.mu.Unlock()
	for _, m := range all {
		m.pool.Invalidate(reason)
	}
	signal(c.lost)
	signal(c.seek)
	c.served()
	c.tell()
}

// Refresh has the endpoints resolved now, but no sooner than a second after the
// last time: for who learns by other means that they have changed. It does not wait
// for it, and does nothing with Config.Watch.
func (c *Cluster[T]) Refresh() { signal(c.lost) }

// named begins the text of an error.
func (c *Cluster[T]) named() string {
	if c.config.Name == "" {
		return "cluster"
	}
	return fmt.Sprintf("cluster %s", c.config.Name)
}

// signal leaves a sign in c, which holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
