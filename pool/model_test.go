package pool

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

var (
	modelSeed = flag.Uint64("model.seed", 0, "run the model test with this seed only")
	modelFor  = flag.Duration("model.for", 3*time.Second, "how long the model test tries seeds")
)

// TestNoOrderOfEventsBreaksThePool has many callers use a pool in random ways
// while an endpoint misbehaves in random ways, and compares what they get with
// what they may get. The times are fake and the seed decides about all but the
// order in which goroutines run.
func TestNoOrderOfEventsBreaksThePool(t *testing.T) {
	t.Parallel()
	if *modelSeed != 0 {
		t.Run("seed", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { runModel(t, *modelSeed) }) })
		return
	}
	seeds := 0
	steps := int64(0)
	for end := time.Now().Add(*modelFor); time.Now().Before(end); seeds++ {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) { steps += runModel(t, seed) })
		if t.Failed() {
			t.Fatalf("replay with -model.seed=%d", seed)
		}
	}
	t.Logf("%d seeds, %d steps", seeds, steps)
}

// model is what must hold of a pool.
type model struct {
	t        *testing.T
	e        *endpoint
	p        *Pool[*fakeConn]
	config   Config[*fakeConn]
	steps    atomic.Int64
	resizing sync.Mutex // held by who calls Resize
	healed   atomic.Bool

	// clock orders what is done to connections and the beginnings of Acquires.
	clock atomic.Int64

	mu       sync.Mutex // guards what follows
	known    map[*fakeConn]*knowledge
	begun    int64 // Invalidate calls
	finished int64
	evicted  int
	outages  []Outage // the begun ones
	maxConns int      // what Resize has set
	most     int      // the most that it was
	ended    int
	waits    int // AcquireStart without AcquireDone
}

// knowledge is what the model knows about a connection.
type knowledge struct {
	holder   bool
	checked  bool // Check or Reset is at it
	hijacked bool
	killed   int64 // by the clock; 0 is not
	suspect  int64
	begun    int64 // Invalidate calls that had begun when it was dialled
	died     time.Time
}

func (m *model) of(c *fakeConn) *knowledge {
	k := m.known[c]
	if k == nil {
		k = new(knowledge)
		m.known[c] = k
	}
	return k
}

func runModel(t *testing.T, seed uint64) (steps int64) {
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	m := &model{t: t, e: new(endpoint), known: make(map[*fakeConn]*knowledge)}
	m.config = m.randomConfig(r)
	m.maxConns, m.most = m.config.MaxConns, m.config.MaxConns
	p, err := newWithLanes(m.config, choose(r, lanesFor, func(int) int { return 0 }))
	if err != nil {
		t.Fatal(err)
	}
	m.p = p
	m.hurryNames(r)
	var wg, chaos sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		r := rand.New(rand.NewPCG(seed, r.Uint64()))
		chaos.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(r.IntN(50)) * time.Millisecond):
					m.misfortune(r)
				}
			}
		})
	}
	for range 1 + r.IntN(3*m.config.MaxConns) {
		r := rand.New(rand.NewPCG(seed, r.Uint64()))
		wg.Go(func() {
			for range 60 {
				m.use(r)
			}
		})
	}
	wg.Wait()
	close(stop)
	chaos.Wait()
	m.heal()
	m.mustServe()
	m.mustEnd(r)
	time.Sleep(time.Second) // for a Close that goes on
	return m.steps.Load()
}

// choose returns one of a few values.
func choose[V any](r *rand.Rand, of ...V) V { return of[r.IntN(len(of))] }

func (m *model) randomConfig(r *rand.Rand) Config[*fakeConn] {
	c := Config[*fakeConn]{MaxConns: 1 + r.IntN(6)}
	c.Dial = func(ctx context.Context) (net.Conn, error) {
		m.mu.Lock()
		begun := m.begun
		m.mu.Unlock()
		conn, err := m.e.dial(ctx)
		if err == errFull {
			return nil, nil
		}
		if err == nil {
			m.mu.Lock()
			m.of(conn.(*fakeConn)).begun = begun
			m.mu.Unlock()
		}
		return conn, err
	}
	c.Open = openHeard
	c.MinConns = choose(r, 0, 0, r.IntN(c.MaxConns+1))
	c.MinIdleConns = choose(r, 0, 0, r.IntN(c.MaxConns+1))
	c.MaxDials = choose(r, 0, 1, 2)
	c.MaxWaiters = choose(r, 0, 0, 0, 2)
	c.StableAfter = choose(r, 0, time.Nanosecond, time.Second)
	c.FailFast = r.IntN(4) == 0
	c.MaxConnLifetime = choose(r, 0, 0, 300*time.Millisecond, 5*time.Second)
	c.MaxConnIdleTime = choose(r, 0, 0, 100*time.Millisecond)
	if r.IntN(2) == 0 {
		c.Check = m.alone(m.e.check)
		c.CheckAfter = choose(r, 0, time.Nanosecond, 50*time.Millisecond)
		c.Heartbeat = choose(r, 0, 40*time.Millisecond)
		c.CheckTimeout = choose(r, 0, 20*time.Millisecond)
		c.Monitor.After = choose(r, 0, time.Millisecond, 15*time.Millisecond)
		c.Monitor.Failures = choose(r, 0, 1, 3)
	}
	if r.IntN(2) == 0 {
		c.Reset = m.alone(m.e.wipe)
	}
	m.addHooks(r, &c)
	if r.IntN(4) == 0 {
		c.Close = func(c *fakeConn) error {
			time.Sleep(time.Duration(c.id%7) * 100 * time.Millisecond)
			return c.Close()
		}
	}
	if r.IntN(2) == 0 {
		m.resolves(r, &c)
	}
	c.CloseTimeout = choose(r, 0, 50*time.Millisecond)
	c.LeakAfter = choose(r, 0, 20*time.Millisecond)
	if r.IntN(4) > 0 {
		c.Observer = m.observer()
	}
	return c
}

// alone is a Check or a Reset that nothing else may happen beside.
func (m *model) alone(check func(context.Context, *fakeConn) error) func(context.Context, *fakeConn) error {
	return func(ctx context.Context, c *fakeConn) error {
		m.mu.Lock()
		k := m.of(c)
		if k.holder || k.hijacked || k.checked {
			m.t.Errorf("%d is checked, held: %v, hijacked: %v, checked already: %v", c.id, k.holder, k.hijacked, k.checked)
		}
		k.checked = true
		m.mu.Unlock()
		select {
		case <-time.After(time.Duration(c.id%3) * 5 * time.Millisecond):
		case <-ctx.Done():
		}
		defer func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			k.checked = false
		}()
		err := check(ctx, c)
		if err == errSick && c.id%3 == 0 {
			panic(err)
		}
		return err
	}
}

func (m *model) observer() *Observer {
	locked := func(f func()) {
		m.mu.Lock()
		defer m.mu.Unlock()
		f()
	}
	return &Observer{
		AcquireStart: func(ctx context.Context, _ AcquireStartInfo) context.Context {
			locked(func() { m.waits++ })
			return ctx
		},
		AcquireDone: func(context.Context, AcquireDoneInfo) { locked(func() { m.waits-- }) },
		Evict:       func(EvictInfo) { locked(func() { m.evicted++ }) },
		OutageBegin: func(o Outage) {
			locked(func() {
				if len(m.outages) != m.ended || o.ID != uint64(m.ended+1) {
					m.t.Errorf("outage %d begins, %d have begun, %d ended", o.ID, len(m.outages), m.ended)
				}
				m.outages = append(m.outages, o)
			})
		},
		OutageEnd: func(o Outage) {
			locked(func() {
				m.ended++
				if o.ID != uint64(m.ended) || len(m.outages) != m.ended || o.Healed && o.Attempts < 1 || o.Ended.Before(o.Began) {
					m.t.Errorf("outage %+v ends, %d have begun", o, len(m.outages))
				}
			})
		},
	}
}

// misfortune has something happen to the endpoint or its connections.
func (m *model) misfortune(r *rand.Rand) {
	m.steps.Add(1)
	var c *fakeConn
	if all := m.e.all(); len(all) > 0 {
		c = all[max(0, len(all)-1-r.IntN(8))] // one of the newest
	}
	switch n := r.IntN(20); {
	case n < 2:
		m.e.setRefuse(errRefused)
	case n < 6:
		m.e.setRefuse(nil)
	case n < 7:
		m.e.allow(r.IntN(m.config.MaxConns + 1))
	case n < 8:
		m.e.setDelay(time.Duration(r.IntN(60)) * time.Millisecond)
	case n < 9:
		m.mu.Lock()
		m.begun++
		m.mu.Unlock()
		choose(r, m.p.Invalidate, m.p.Interrupt)("model")
		m.mu.Lock()
		m.finished++
		m.mu.Unlock()
	case n < 10:
		if st := m.p.Stats(); st.Idle < 0 || st.Conns > m.largest() || st.InUse > m.largest() {
			m.t.Errorf("%+v", st)
		}
		m.resize(r)
	case c == nil:
	case n < 15:
		m.kill(c, choose(r, causes...))
	case n < 17:
		c.suspect.Store(true)
		m.mu.Lock()
		m.of(c).suspect = m.clock.Add(1)
		m.mu.Unlock()
	case n < 18:
		c.hangs.Store(!c.hangs.Load())
	case n < 19:
		c.sick.Store(!c.sick.Load())
	default:
		c.suspect.Store(false)
	}
}

func (m *model) kill(c *fakeConn, cause health.Cause) {
	c.kill(cause)
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.of(c); k.killed == 0 && c.Err() != nil {
		k.killed, k.died = m.clock.Add(1), time.Now()
	}
}

// acquire is Acquire, and a look at what came of it.
func (m *model) acquire(ctx context.Context) (Conn[*fakeConn], error) {
	m.steps.Add(1)
	start := m.clock.Add(1)
	m.mu.Lock()
	finished := m.finished
	m.mu.Unlock()
	c, err := m.p.Acquire(ctx)
	now := time.Now()
	if err != nil {
		m.failed(ctx, err)
		return c, err
	}
	m.took(c.Value(), start, finished, now)
	return c, nil
}

// took checks that a connection which was acquired may be in use.
func (m *model) took(v *fakeConn, start, finished int64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.of(v)
	switch {
	case k.holder:
		m.t.Errorf("%d is in two hands", v.id)
	case k.hijacked:
		m.t.Errorf("%d was hijacked", v.id)
	case k.checked:
		m.t.Errorf("%d is being checked", v.id)
	case k.killed != 0 && (k.killed < start || k.died.Before(now)):
		m.t.Errorf("%d had died %v before", v.id, now.Sub(k.died))
	case v.closed.Load() && k.killed == 0 && m.begun == finished: // Interrupt may have come meanwhile
		m.t.Errorf("%d was closed", v.id)
	case v.suspect.Load() && k.suspect < start && k.suspect > 0:
		m.t.Errorf("%d was suspect", v.id)
	case k.begun < finished:
		m.t.Errorf("%d had been invalidated", v.id)
	}
	k.holder = true
}

// failed checks that an Acquire had reason to fail.
func (m *model) failed(ctx context.Context, err error) {
	switch {
	case !SafeToRetry(err):
		m.t.Errorf("not safe to retry: %v", err)
	case errors.Is(err, ErrTooManyWaiters) && m.config.MaxWaiters > 0:
	case errors.Is(err, ErrUnavailable) && m.config.FailFast:
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
	case m.config.PrepareAcquire != nil && isPrepareError(err):
	default:
		m.t.Errorf("Acquire: %v", err)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Now().After(deadline) {
		m.t.Errorf("Acquire came back %v late", time.Since(deadline))
	}
}

// use is one use of the pool, in a random way.
func (m *model) use(r *rand.Rand) {
	time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Duration(1+r.IntN(200))*time.Millisecond)
	defer cancel()
	if r.IntN(5) == 0 {
		m.do(ctx, r)
		return
	}
	if r.IntN(12) == 0 {
		m.useAllIdle(ctx, r)
		return
	}
	c, err := m.acquireSomehow(ctx, r)
	if err != nil {
		return
	}
	v := c.Value()
	if r.IntN(2) == 0 {
		time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
	}
	switch r.IntN(8) {
	case 0:
		m.kill(v, choose(r, causes...))
	case 1:
		v.SetDeadline(netconn.Past)
		_, _ = v.Read(make([]byte, 1))
		v.SetDeadline(time.Time{})
	case 2:
		_ = ask(v)
	}
	m.end(r, c, v)
}

// end ends a use, in one way or in several at a time.
func (m *model) end(r *rand.Rand, c Conn[*fakeConn], v *fakeConn) {
	m.mu.Lock()
	k := m.of(v)
	k.holder = false
	m.mu.Unlock()
	switch n := r.IntN(12); {
	case n == 0:
		c.Close()
	case n == 1:
		m.mu.Lock()
		k.hijacked = true
		m.mu.Unlock()
		v.gone() // not the pool's any more
		if c.Hijack() != v {
			m.t.Errorf("hijacked another")
		}
		v.Close()
	case n == 2:
		var wg sync.WaitGroup
		wg.Go(c.Release)
		wg.Go(c.Close)
		wg.Go(c.Release)
		wg.Wait()
	default:
		c.Release()
	}
	if r.IntN(3) == 0 { // a stale copy can do nothing
		c.Close()
		if c.Hijack() != nil || c.Value() != nil {
			m.t.Error("a stale copy is of use")
		}
	}
}

func (m *model) do(ctx context.Context, r *rand.Rand) {
	m.steps.Add(1)
	sent := 0
	kill := r.IntN(3)
	err := m.p.Do(ctx, func(_ context.Context, v *fakeConn) error {
		m.mu.Lock()
		k := m.of(v)
		if k.holder || k.hijacked || k.checked {
			m.t.Errorf("%d is in two hands, hijacked: %v, checked: %v", v.id, k.hijacked, k.checked)
		}
		k.holder = true
		m.mu.Unlock()
		defer func() {
			m.mu.Lock()
			k.holder = false
			m.mu.Unlock()
		}()
		if kill == 0 {
			m.kill(v, health.Reset)
		}
		if err := ask(v); err != nil {
			return err
		}
		sent++
		if kill == 1 {
			m.kill(v, health.Reset)
			return v.Err()
		}
		return nil
	})
	if sent > 1 || sent == 1 && SafeToRetry(err) {
		m.t.Errorf("sent %d times, then %v", sent, err)
	}
}

// heal makes everything well again.
func (m *model) heal() {
	m.healed.Store(true)
	m.e.setRefuse(nil)
	m.e.allow(0)
	m.e.setDelay(time.Millisecond)
	for _, c := range m.e.all() {
		c.suspect.Store(false)
		c.hangs.Store(false)
		c.sick.Store(false)
	}
}

// mustServe checks that a healed pool serves everybody.
func (m *model) mustServe() {
	time.Sleep(time.Minute) // the pauses may have grown
	var wg sync.WaitGroup
	for range 3 * m.maxConns {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
			defer cancel()
			c, err := m.acquire(ctx)
			switch {
			case errors.Is(err, ErrTooManyWaiters):
				return
			case err != nil:
				m.t.Errorf("with all well: %v, %+v", err, m.p.Stats())
				return
			}
			_ = ask(c.Value()) // a reply tells, where there is no room for a dial
			time.Sleep(time.Millisecond)
			m.mu.Lock()
			m.of(c.Value()).holder = false
			m.mu.Unlock()
			c.Release()
		})
	}
	wg.Wait()
	time.Sleep(time.Second)
	synctest.Wait()
	st := m.p.Stats()
	for range 100 { // it may be replacing one at this very moment
		if m.kept(st) >= m.config.MinConns {
			break
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		st = m.p.Stats()
	}
	if st.Down || st.Waiting != 0 || st.InUse != 0 || st.Quarantined != 0 || m.kept(st) < m.config.MinConns || st.Conns > m.maxConns || st.MaxConns != m.maxConns {
		m.t.Errorf("with all well: %+v", st)
	}
	if _, open, _ := m.e.counts(); m.config.Close == nil && open != st.Conns && open != st.Conns+m.monitors() {
		m.t.Errorf("%d open, %+v", open, st)
	}
	if fit, counted := len(m.p.conns.alive("")), int(m.p.conns.fit.Load()); fit != counted {
		m.t.Errorf("%d are not on their way out, and %d are counted", fit, counted)
	}
}

// monitors is how many connections there are at most besides those of the pool.
func (m *model) monitors() int {
	if m.config.Monitor.After > 0 {
		return 1
	}
	return 0
}

// kept is how many connections the pool has, those included that a slow Close is
// at: they keep their place.
func (m *model) kept(st Stats) int {
	if m.config.Close == nil {
		return st.Conns
	}
	return placesOf(m.p)
}

// mustEnd checks that nothing is left when the pool is closed.
func (m *model) mustEnd(r *rand.Rand) {
	if r.IntN(2) == 0 {
		m.p.Close()
	} else if n, err := m.p.Shutdown(m.t.Context()); n != 0 || err != nil {
		m.t.Errorf("Shutdown: %d, %v", n, err)
	}
	if fit := m.p.conns.fit.Load(); fit != 0 {
		m.t.Errorf("%d are counted as not on their way out", fit)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	if m.e.unclosed != 0 || m.e.open != 0 {
		m.t.Errorf("%d are left open", m.e.unclosed)
	}
	if m.e.mostOpen > m.most+m.monitors() {
		m.t.Errorf("%d were open of %d", m.e.mostOpen, m.most)
	}
	maxDials := m.config.MaxDials
	if maxDials == 0 {
		maxDials = defaultMaxDials
	}
	if m.e.mostDial > maxDials+m.monitors() {
		m.t.Errorf("%d dials of %d at a time", m.e.mostDial, maxDials)
	}
	if m.config.Observer == nil {
		return
	}
	// Not every connection that was made has been one of the pool's: ctx may end
	// just then.
	if st := m.p.Stats(); int64(m.evicted) != st.Dials-st.DialErrors || m.evicted > len(m.e.conns) {
		m.t.Errorf("%d evicted of %d, %+v", m.evicted, len(m.e.conns), st)
	}
	recycled := int64(0)
	for _, n := range m.p.Stats().Recycled {
		recycled += n
	}
	if recycled != int64(m.evicted) || m.waits != 0 || m.ended != len(m.outages) {
		m.t.Errorf("%d recycled of %d, %d waits, %d of %d outages ended", recycled, m.evicted, m.waits, m.ended, len(m.outages))
	}
}
