package cluster

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

var (
	modelSeed = flag.Uint64("model.seed", 0, "run the model test with this seed only")
	modelFor  = flag.Duration("model.for", 2*time.Second, "how long the model test tries seeds")
)

// TestNoOrderOfEventsBreaksTheCluster has many callers use a cluster in random ways
// while its endpoints come, go, freeze, are demoted and promoted, and compares what
// they get with what they may get. The times are fake, and the seed decides about all
// but the order in which goroutines run.
func TestNoOrderOfEventsBreaksTheCluster(t *testing.T) {
	t.Parallel()
	if *modelSeed != 0 {
		synctest.Test(t, func(t *testing.T) { runModel(t, *modelSeed) })
		return
	}
	seeds, uses := 0, int64(0)
	for end := time.Now().Add(*modelFor); time.Now().Before(end); seeds++ {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) { uses += runModel(t, seed) })
		if t.Failed() {
			t.Fatalf("replay with -model.seed=%d", seed)
		}
	}
	t.Logf("%d seeds, %d uses", seeds, uses)
}

// modelRoleAge is RoleMaxAge.
const modelRoleAge = time.Second

// model is what must hold of a cluster.
type model struct {
	t       *testing.T
	s       *site
	e       *endpoints
	c       *Cluster[*fakeConn]
	names   []string
	most    int
	perHost int

	uses, inUse atomic.Int64
	mu          sync.Mutex // guards what follows
	perName     map[string]int
}

func runModel(t *testing.T, seed uint64) int64 {
	r := rand.New(rand.NewPCG(seed, 0))
	m := &model{
		t: t, e: &endpoints{}, names: []string{"a", "b", "c", "d", "e"}[:2+r.IntN(4)],
		perName: map[string]int{},
	}
	m.s = newSite(m.names...)
	for i, name := range m.names {
		m.s.host(name).role.Store(int64(Replica))
		if i == 0 {
			m.s.host(name).role.Store(int64(Primary))
		}
		m.s.host(name).delay = time.Duration(r.IntN(20)) * time.Millisecond
	}
	m.e.set(nil, m.names...)
	m.most = 1 + r.IntN(8)
	m.perHost = 1 + r.IntN(m.most)
	c, err := New(Config[*fakeConn]{
		Dial: m.s.dial, Resolve: m.e.resolve, ResolveEvery: time.Duration(1+r.IntN(3)) * time.Second, Role: askRole,
		MaxConns: m.most, MaxWaiters: r.IntN(2) * 20, FailFast: r.IntN(4) == 0, ByLatency: r.IntN(3) == 0,
		Hold:      []time.Duration{0, 0, 3 * time.Second, -1}[r.IntN(4)],
		SlowStart: time.Duration(r.IntN(2)*r.IntN(10)) * time.Second, RoleMaxAge: modelRoleAge, DrainTimeout: time.Duration(r.IntN(2)*5) * time.Second,
		Demoted:  func(err error) bool { return errors.Is(err, errBad) },
		Ejection: Ejection{Failed: func(err error) bool { return errors.Is(err, errRefused) }, Failures: 1 + r.IntN(5), For: time.Second},
		Pool: pool.Config[*fakeConn]{
			Open: openFake, MaxConns: m.perHost, DialTimeout: 2 * time.Second, MinConns: r.IntN(2),
			MaxConnLifetime: time.Duration(r.IntN(2)*3) * time.Second,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.c = c
	var callers, chaos sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		r := rand.New(rand.NewPCG(seed, r.Uint64()))
		chaos.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(r.IntN(1000)) * time.Millisecond):
					m.misfortune(r)
				}
			}
		})
	}
	for range 1 + r.IntN(3*m.most) {
		r := rand.New(rand.NewPCG(seed, r.Uint64()))
		callers.Go(func() {
			for range 40 {
				m.use(r)
			}
		})
	}
	callers.Wait()
	close(stop)
	chaos.Wait()
	m.heal()
	m.mustServe()
	c.Close()
	if st := c.Stats(); st.InUse != 0 || st.Waiting != 0 || m.s.open() != 0 {
		t.Errorf("at the end %d in use, %d waiting, %d open", st.InUse, st.Waiting, m.s.open())
	}
	return m.uses.Load()
}

// misfortune is one thing that happens.
func (m *model) misfortune(r *rand.Rand) {
	name := m.names[r.IntN(len(m.names))]
	h := m.s.host(name)
	switch r.IntN(8) {
	case 0:
		h.down([]health.Cause{health.KeepAliveTimeout, health.Reset, health.PeerClosed}[r.IntN(3)])
	case 1:
		h.freeze(time.Duration(r.IntN(2000)) * time.Millisecond)
	case 2, 3:
		h.up()
	case 4: // a failover, or a switchover
		for _, other := range m.names {
			m.s.host(other).role.Store(int64(Replica))
		}
		h.role.Store(int64(Primary))
	case 5: // some come and go
		some := slices.Clone(m.names)
		r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		m.e.set([]error{nil, nil, errBad}[r.IntN(3)], some[:r.IntN(len(some)+1)]...)
	case 7: // some answer late, or not
		h.think(time.Duration(r.IntN(3)*r.IntN(700)) * time.Millisecond)
		h.hang(r.IntN(4) == 0)
	case 6:
		if r.IntN(5) == 0 {
			m.c.Invalidate("model")
		}
		_ = m.c.Stats()
		m.c.Refresh()
	}
}

// use is what one caller does.
func (m *model) use(r *rand.Rand) {
	patience := time.Duration(1+r.IntN(3000)) * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	role := Role(r.IntN(4))
	ctx = Want(ctx, role)
	if r.IntN(4) == 0 {
		ctx = WithKey(ctx, string(rune('a'+r.IntN(26))))
	}
	start := time.Now()
	defer func() {
		if took := time.Since(start); took > patience+3*time.Second { // what it does itself, and a Role
			m.t.Errorf("a caller with %v was kept for %v", patience, took)
		}
	}()
	switch r.IntN(6) {
	case 0:
		if conn, ok := m.c.TryAcquire(ctx); ok {
			m.hold(r, role, conn)
		}
	case 1:
		if r.IntN(2) == 0 {
			ctx = pool.Idempotent(ctx)
		}
		fate := r.IntN(8)
		_ = m.c.Do(ctx, func(ctx context.Context, c *fakeConn) error {
			m.enter(role, c)
			defer m.leave(c)
			c.wrote()
			time.Sleep(time.Duration(fate) * 10 * time.Millisecond)
			switch fate {
			case 0:
				return errBad
			case 1, 2:
				return errRefused
			}
			return c.Err2()
		})
	default:
		conn, err := m.c.Acquire(ctx)
		if err == nil {
			m.hold(r, role, conn)
			return
		}
		if !pool.SafeToRetry(err) || !errors.Is(err, pool.ErrUnavailable) && !errors.Is(err, pool.ErrTooManyWaiters) && ctx.Err() == nil {
			m.t.Errorf("Acquire: %v", err)
		}
		if errors.Is(err, pool.ErrTooManyWaiters) {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
}

// Err2 is Err as an error that is nil.
func (c *fakeConn) Err2() error {
	if err := c.Err(); err != nil {
		return err
	}
	return nil
}

func (m *model) hold(r *rand.Rand, role Role, conn Conn[*fakeConn]) {
	c := conn.Value()
	if c == nil {
		m.t.Error("handed out and over")
		return
	}
	m.enter(role, c)
	time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
	m.leave(c)
	switch r.IntN(6) {
	case 0:
		conn.Close()
	case 1:
		conn.Report([]error{nil, errBad, errRefused}[r.IntN(3)])
		conn.Release()
	case 2:
		if got := conn.Hijack(); got != nil {
			got.Close()
		}
	default:
		conn.Release()
	}
	conn.Release()
}

// enter checks what is handed out to who wishes a role.
func (m *model) enter(role Role, c *fakeConn) {
	m.uses.Add(1)
	if c.held.Swap(true) {
		m.t.Error("two callers have one connection")
	}
	if c.closed.Load() {
		m.t.Error("a closed connection is handed out")
	}
	if dead := c.Err(); dead != nil && dead.(*health.DeadError).Detected.Before(time.Now()) {
		m.t.Error("one that has died is handed out")
	}
	if said := time.Unix(0, c.host.saidPrimary.Load()); role == Primary && time.Since(said) > modelRoleAge {
		m.t.Errorf("%s has said %v ago that it is the primary", c.host.name, time.Since(said))
	}
	if n := m.inUse.Add(1); int(n) > m.most {
		m.t.Errorf("%d in use, the most is %d", n, m.most)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.perName[c.host.name]++
	if n := m.perName[c.host.name]; n > m.perHost {
		m.t.Errorf("%d in use at %s, the most is %d", n, c.host.name, m.perHost)
	}
}

func (m *model) leave(c *fakeConn) {
	c.held.Store(false)
	m.inUse.Add(-1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.perName[c.host.name]--
}

// heal has all be well.
func (m *model) heal() {
	for i, name := range m.names {
		h := m.s.host(name)
		h.up()
		h.think(0)
		h.hang(false)
		h.role.Store(int64(Replica))
		if i == 0 {
			h.role.Store(int64(Primary))
		}
	}
	m.e.set(nil, m.names...)
	time.Sleep(2 * time.Minute)
	synctest.Wait()
}

// mustServe checks that all is well again: everybody is served at once or after a
// dial, evenly, and within the limits.
func (m *model) mustServe() {
	t := m.t
	st := m.c.Stats()
	if st.InUse != 0 || st.Waiting != 0 {
		t.Errorf("%d in use, %d waiting, although nobody is there", st.InUse, st.Waiting)
	}
	if open, least := m.s.open(), len(m.names); open > max(m.most, least) {
		t.Errorf("%d are open, the most is %d", open, m.most)
	}
	for _, e := range st.Endpoints {
		if e.State != "up" || len(st.Endpoints) != len(m.names) {
			t.Errorf("%s is %s", e.Endpoint, e.State)
		}
	}
	for _, role := range []Role{Any, Primary, Replica} {
		var held []Conn[*fakeConn]
		ctx, cancel := context.WithTimeout(Want(t.Context(), role), time.Minute)
		fit := map[Role]int{Any: len(m.names), Primary: 1, Replica: len(m.names) - 1}[role]
		n := min(m.most, fit*m.perHost)
		for range n {
			conn, err := m.c.Acquire(ctx)
			if err != nil {
				t.Errorf("%v: %v", role, err)
				break
			}
			if role != Any && conn.Value().host.role.Load() != int64(role) {
				t.Errorf("%v: got a %v", role, Role(conn.Value().host.role.Load()))
			}
			held = append(held, conn)
		}
		if rows := m.c.Stats().Endpoints; role == Any && len(held) == n {
			least, most := n, 0
			for _, e := range rows {
				least, most = min(least, e.InUse), max(most, e.InUse)
			}
			if most-least > 4 && !m.c.config.ByLatency {
				t.Errorf("%d to %d in use", least, most)
			}
		}
		for _, conn := range held {
			conn.Release()
		}
		cancel()
	}
}
