package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// told is what an Observer was told.
type told struct {
	mu        sync.Mutex
	begun     []FailoverInfo
	ended     []FailoverInfo
	fallbacks []bool
	ejected   []EjectedInfo
	panics    []bool
	resolved  []ResolvedInfo
	closed    int
}

func (o *told) observer() *Observer {
	return &Observer{
		FailoverBegin: func(i FailoverInfo) { o.note(func() { o.begun = append(o.begun, i) }) },
		FailoverEnd:   func(i FailoverInfo) { o.note(func() { o.ended = append(o.ended, i) }) },
		Fallback:      func(i FallbackInfo) { o.note(func() { o.fallbacks = append(o.fallbacks, i.Active) }) },
		Ejected:       func(i EjectedInfo) { o.note(func() { o.ejected = append(o.ejected, i) }) },
		Panic:         func(i PanicInfo) { o.note(func() { o.panics = append(o.panics, i.Active) }) },
		Resolved:      func(i ResolvedInfo) { o.note(func() { o.resolved = append(o.resolved, i) }) },
		Closed:        func() { o.note(func() { o.closed++ }) },
	}
}

func (o *told) note(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

func (o *told) ends() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

func (o *told) resolutions() []ResolvedInfo {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.resolved)
}

func (o *told) panicked() []bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.panics)
}

func (o *told) ejections() []EjectedInfo {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.ejected)
}

func (o *told) failovers() (begun, ended []FailoverInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.begun), slices.Clone(o.ended)
}

// newRoles is a cluster of a primary, a, and replicas.
func newRoles(t *testing.T, o *told, change func(*Config[*fakeConn]), replicas ...string) (*site, *Cluster[*fakeConn]) {
	s := newSite(append([]string{"a"}, replicas...)...)
	for name, h := range s.hosts {
		h.role.Store(int64(Replica))
		if name == "a" {
			h.role.Store(int64(Primary))
		}
	}
	return s, newCluster(t, s, func(c *Config[*fakeConn]) {
		c.Role, c.Observer = askRole, o.observer()
		if change != nil {
			change(c)
		}
	})
}

// where acquires under a wish, and says where that leads.
func where(t *testing.T, c *Cluster[*fakeConn], role Role) string {
	t.Helper()
	conn := acquire(t, c, Want(t.Context(), role))
	defer conn.Release()
	return conn.Endpoint().Address
}

func TestAWishIsFulfilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, c := newRoles(t, new(told), nil, "b", "c")
		got := map[string]bool{}
		for range 40 {
			if at := where(t, c, Primary); at != "a" {
				t.Fatalf("%s is no primary", at)
			}
			for _, role := range []Role{Replica, PreferReplica} {
				if at := where(t, c, role); at == "a" {
					t.Fatalf("%s is no replica", at)
				}
			}
			got[where(t, c, Any)] = true
		}
		if len(got) != 3 {
			t.Errorf("any is %v", got)
		}
	})
}

func TestAWishThatThereIsNotIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, c := newRoles(t, new(told), nil)
		ctx := Want(t.Context(), Role(9))
		if _, err := c.Acquire(ctx); err == nil || err.Error() != "cluster: Want role 9: there is no such role" || !pool.SafeToRetry(err) {
			t.Error(err)
		}
		if err := c.WaitReady(ctx); err == nil {
			t.Error("ready for what there is not")
		}
		if _, ok := c.TryAcquire(ctx); ok {
			t.Error("got what there is not")
		}
	})
}

func TestAFailoverIsFoundWithinOneAsking(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"frozen", "killed"} {
		synctest.Test(t, func(t *testing.T) {
			o := new(told)
			s, c := newRoles(t, o, nil, "b", "c")
			where(t, c, Primary)
			began := time.Now()
			detected := 3 * time.Second
			if how == "frozen" {
				s.host("a").freeze(detected)
			} else {
				detected = 0
				s.host("a").down(health.Reset)
			}
			const promoted = 5 * time.Second
			time.AfterFunc(promoted, func() { s.host("b").role.Store(int64(Primary)) })
			time.Sleep(detected)
			synctest.Wait()
			if at := where(t, c, Primary); at != "b" {
				t.Errorf("%s: %s is no primary", how, at)
			}
			if took := time.Since(began) - promoted; took < 0 || took > defaultRoleEvery+100*time.Millisecond {
				t.Errorf("%s: it was found %v after it was promoted", how, took)
			}
			begun, ended := o.failovers()
			if len(begun) != 1 || len(ended) != 1 {
				t.Fatalf("%s: %d failovers have begun, %d ended", how, len(begun), len(ended))
			}
			f := ended[0]
			if f.From.Address != "a" || f.To.Address != "b" || f.Cause != "outage" || !f.Healed || f.Err == nil || !f.Ended.After(f.Detected) {
				t.Errorf("%s: %v", how, f)
			}
			if how == "frozen" && f.Began.After(began) {
				t.Errorf("it began %v after the silence", f.Began.Sub(began))
			}
			if st := c.Stats(); st.Failovers != 1 || st.FailingOver || st.FailoverTime != f.Ended.Sub(f.Began) {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestAnOldPrimaryThatComesBackIsNotTheOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), nil, "b")
		where(t, c, Primary)
		s.host("a").freeze(time.Second)
		s.host("b").role.Store(int64(Primary))
		time.Sleep(2 * time.Second)
		if at := where(t, c, Primary); at != "b" {
			t.Fatal(at)
		}
		s.host("a").up() // and does not know better
		time.Sleep(time.Minute)
		for range 30 {
			if at := where(t, c, Primary); at != "b" {
				t.Fatalf("%s was replaced", at)
			}
			where(t, c, Any) // asks a again
		}
	})
}

// The resolver knows that it was replaced, and it does not, as a Redis master that the
// Sentinels have not told yet.
func TestAPrimaryThatTheResolverHasReplacedIsNotTheOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w *teller
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { w = tells(c) }, "b")
		w.roles(t, Primary, Replica)
		if at := where(t, c, Primary); at != "a" {
			t.Fatal(at)
		}
		s.host("b").role.Store(int64(Primary))
		w.roles(t, Replica, Primary)
		for range 30 {
			if at := where(t, c, Primary); at != "b" {
				t.Fatalf("%s was replaced", at)
			}
			var held []Conn[*fakeConn]
			for range 4 { // more than are idle: what is opened to a asks it
				held = append(held, acquire(t, c, t.Context()))
			}
			for _, conn := range held {
				conn.Close()
			}
		}
		s.host("a").role.Store(int64(Replica)) // it was told
		time.Sleep(time.Minute)
		where(t, c, Replica)
		s.host("a").role.Store(int64(Primary))
		s.host("b").role.Store(int64(Replica))
		w.roles(t, Primary, Replica)
		if at := where(t, c, Primary); at != "a" {
			t.Errorf("%s, and not the one that has become it anew", at)
		}
	})
}

// A client that begins after a failover, or sees the old primary again after it was left
// out, knows no more of it than what the resolver says.
func TestAPrimaryThatWasReplacedBeforeItWasKnownIsNotTheOne(t *testing.T) {
	t.Parallel()
	for name, before := range map[string][]Endpoint{
		"the client is new": nil,
		"it was left out":   {{Address: "b", Role: Replica}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				known := make(chan func([]Endpoint) error)
				s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
					c.Resolve = nil
					c.Watch = func(ctx context.Context, update func([]Endpoint) error) error {
						known <- update
						<-ctx.Done()
						return nil
					}
				}, "b")
				update := <-known
				tell := func(all ...Endpoint) {
					t.Helper()
					if err := update(all); err != nil {
						t.Fatal(err)
					}
				}
				s.host("a").role.Store(int64(Primary)) // still, as it says
				s.host("b").role.Store(int64(Primary))
				if before != nil {
					tell(before...)
					where(t, c, Primary)
				}
				tell(Endpoint{Address: "a", Role: Replica}, Endpoint{Address: "b", Role: Primary})
				for range 30 {
					if at := where(t, c, Primary); at != "b" {
						t.Fatalf("%s was replaced", at)
					}
					time.Sleep(time.Second)
				}
				s.host("a").role.Store(int64(Replica)) // it was told
				time.Sleep(time.Minute)
				s.host("a").role.Store(int64(Primary)) // and has become it anew
				s.host("b").down(health.PeerClosed)
				if at := where(t, c, Primary); at != "a" {
					t.Error(at)
				}
			})
		})
	}
}

func TestDemotionEndsTheRoleAndKeepsTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errReadOnly := errors.New("read-only")
		o := new(told)
		s, c := newRoles(t, o, func(c *Config[*fakeConn]) {
			c.Demoted = func(err error) bool { return errors.Is(err, errReadOnly) }
		}, "b")
		where(t, c, Primary)
		synctest.Wait()
		s.host("a").role.Store(int64(Replica))
		s.host("b").role.Store(int64(Primary))
		write := func(_ context.Context, conn *fakeConn) error {
			conn.wrote()
			if conn.host.role.Load() != int64(Primary) {
				return errReadOnly
			}
			return nil
		}
		before := s.host("a").dialled()
		err := c.Do(Want(t.Context(), Primary), write)
		if !errors.Is(err, errReadOnly) || pool.SafeToRetry(err) {
			t.Errorf("not idempotent: %v", err)
		}
		if err := c.Do(Want(t.Context(), Primary), write); err != nil {
			t.Errorf("after it: %v", err)
		}
		s.host("b").role.Store(int64(Replica))
		s.host("a").role.Store(int64(Primary))
		if err := c.Do(pool.Idempotent(Want(t.Context(), Primary)), write); err != nil {
			t.Errorf("idempotent: %v", err)
		}
		if at := where(t, c, Replica); at != "b" {
			t.Errorf("%s for reads", at)
		}
		if n := s.host("a").dialled(); n != before {
			t.Errorf("%d connections were lost", n-before)
		}
		begun, ended := o.failovers()
		if len(begun) != 2 || len(ended) != 2 || begun[0].Cause != "demoted" {
			t.Errorf("begun %v, ended %v", begun, ended)
		}
	})
}

func TestARoleThatMayBeStaleIsAskedBeforeAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge = 2 * time.Second }, "b")
		where(t, c, Primary)
		synctest.Wait()
		asked := s.host("a").asked.Load()
		for range 10 {
			where(t, c, Primary)
		}
		if n := s.host("a").asked.Load(); n != asked {
			t.Errorf("asked %d times although it is fresh", n-asked)
		}
		time.Sleep(3 * time.Second)
		conn := acquire(t, c, Want(t.Context(), Primary))
		if n := s.host("a").asked.Load(); n != asked+1 {
			t.Errorf("asked %d times, want 1", n-asked)
		}
		if !conn.Untouched() {
			t.Error("the asking counts as the caller's")
		}
		conn.Release()
		s.host("a").role.Store(int64(Replica)) // a switchover, of which nobody tells
		s.host("b").role.Store(int64(Primary))
		time.Sleep(3 * time.Second)
		if at := where(t, c, Primary); at != "b" {
			t.Errorf("%s was given out for a write", at)
		}
	})
}

func TestASessionThatKnowsItsRoleIsNotAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
			c.RoleOf = func(conn *fakeConn) Role { return Role(conn.host.role.Load()) }
			c.RoleMaxAge = time.Second
		}, "b")
		where(t, c, Primary)
		where(t, c, Any)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		asked := s.host("a").asked.Load()
		where(t, c, Primary)
		if n := s.host("a").asked.Load(); n != asked {
			t.Error("it was asked")
		}
		s.host("a").role.Store(int64(Replica))
		s.host("b").role.Store(int64(Primary))
		if at := where(t, c, Primary); at != "b" {
			t.Error(at)
		}
	})
}

func TestTheResolverMayKnowTheRoles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w *teller
		o := new(told)
		c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) { c.Observer, w = o.observer(), tells(c) })
		w.roles(t, Primary, Replica)
		if at := where(t, c, Primary); at != "a" {
			t.Error(at)
		}
		w.roles(t, Replica, Primary)
		if at := where(t, c, Primary); at != "b" {
			t.Error(at)
		}
		w.roles(t, Primary, Primary)
		if at := where(t, c, Primary); at != "a" {
			t.Errorf("%s is not the newest", at)
		}
		if begun, _ := o.failovers(); len(begun) != 2 || begun[1].Cause != "replaced" {
			t.Errorf("%v", begun)
		}
		if err := w.update(nil); err == nil {
			t.Error("an empty update")
		}
		if err := w.update([]Endpoint{{}}); err == nil {
			t.Error("a wrong update")
		}
	})
}

func TestWhoPrefersAReplicaIsToldThatThereIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		s, c := newRoles(t, o, nil, "b")
		where(t, c, PreferReplica)
		s.host("b").down(health.KeepAliveTimeout)
		for range 3 {
			if at := where(t, c, PreferReplica); at != "a" {
				t.Error(at)
			}
		}
		s.host("b").up()
		time.Sleep(time.Minute)
		for range 3 {
			if at := where(t, c, PreferReplica); at != "b" {
				t.Error(at)
			}
		}
		synctest.Wait()
		if o.mu.Lock(); !slices.Equal(o.fallbacks, []bool{true, false}) {
			t.Error(o.fallbacks)
		}
		o.mu.Unlock()
		if n := c.Stats().Fallbacks; n != 1 {
			t.Error(n)
		}
	})
}

func TestManyPrimariesAreAllUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.ManyPrimaries = true }, "b")
		s.host("b").role.Store(int64(Primary))
		where(t, c, Primary)
		synctest.Wait()
		got := map[string]bool{}
		for range 30 {
			got[where(t, c, Primary)] = true
		}
		if len(got) != 2 {
			t.Error(got)
		}
	})
}

func TestTheAccountOfAFailoverIsClosedWithTheCluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		s, c := newRoles(t, o, nil)
		where(t, c, Primary)
		s.host("a").down(health.KeepAliveTimeout)
		synctest.Wait()
		c.Close()
		begun, ended := o.failovers()
		if len(begun) != 1 || len(ended) != 1 || ended[0].Healed || ended[0].Ended.IsZero() || o.closed != 1 {
			t.Errorf("begun %v, ended %v, closed %d", begun, ended, o.closed)
		}
	})
}

// forgetful is what sessions know that hear of a promotion with their next answer only.
type forgetful struct {
	mu    sync.Mutex
	known map[*fakeConn]Role
}

// hear is an answer that c gets.
func (f *forgetful) hear(c *fakeConn) Role {
	f.mu.Lock()
	defer f.mu.Unlock()
	role := Role(c.host.role.Load())
	f.known[c] = role
	return role
}

func (f *forgetful) roleOf(c *fakeConn) Role {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[c]
}

// What an idle session knows is what it heard last, which may be before a promotion.
func TestSessionsThatHaveNotHeardOfAPromotionDoNotHideIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &forgetful{known: make(map[*fakeConn]Role)}
		o := new(told)
		s, c := newRoles(t, o, func(c *Config[*fakeConn]) {
			c.Pool.MinIdleConns = 5
			c.Role = func(ctx context.Context, conn *fakeConn) (Role, error) {
				if _, err := askRole(ctx, conn); err != nil {
					return Any, err
				}
				return f.hear(conn), nil
			}
			c.RoleOf = f.roleOf
		}, "b")
		where(t, c, Primary)
		time.Sleep(time.Second)
		s.host("a").down(health.Reset)
		s.host("b").role.Store(int64(Primary))
		if at, took := within(t, c, Want(t.Context(), Primary), 10*time.Second); at != "b" || took > time.Second {
			t.Errorf("%s after %v", at, took)
		}
		for range 3 { // some are readers' turn, on sessions that take b for a replica
			var held []Conn[*fakeConn]
			for i := range 5 {
				role := []Role{PreferReplica, Primary, Any}[i%3]
				ctx, cancel := context.WithTimeout(Want(t.Context(), role), time.Second)
				conn, err := c.Acquire(ctx)
				cancel()
				if err != nil {
					t.Errorf("%v: %v", role, err)
					continue
				}
				held = append(held, conn)
			}
			for _, conn := range held {
				conn.Release()
			}
		}
		if begun, _ := o.failovers(); len(begun) != 1 {
			t.Errorf("%d failovers: %v", len(begun), begun)
		}
	})
}

// A session that hears in its use that the role has changed tells without a query.
func TestASessionThatHearsOfAPromotionTellsOfIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &forgetful{known: make(map[*fakeConn]Role)}
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
			c.RoleEvery = time.Hour
			c.RoleOf = f.roleOf
			c.Role = func(ctx context.Context, conn *fakeConn) (Role, error) {
				if _, err := askRole(ctx, conn); err != nil {
					return Any, err
				}
				return f.hear(conn), nil
			}
		}, "b")
		where(t, c, Primary)
		where(t, c, Replica)
		reader := acquire(t, c, Want(t.Context(), Replica))
		s.host("a").freeze(0)
		time.Sleep(1500 * time.Millisecond) // the resolver has been asked, too
		s.host("b").role.Store(int64(Primary))
		asked := s.host("b").asked.Load()
		f.hear(reader.Value())
		reader.Release()
		if role := c.Stats().Endpoints[1].Endpoint.Role; role != Primary {
			t.Errorf("it is a %v still", role)
		}
		if n := s.host("b").asked.Load(); n != asked {
			t.Errorf("asked %d times", n-asked)
		}
		if at, took := within(t, c, Want(t.Context(), Primary), time.Second); at != "b" || took != 0 {
			t.Errorf("%s after %v", at, took)
		}
	})
}

// Where nobody is asked, what the resolver says is what counts, also after an error has
// said otherwise.
func TestWhatTheResolverSaysCountsAgainAfterADemotion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newSite("a", "b"), func(c *Config[*fakeConn]) {
			c.Resolve = resolved(Endpoint{Address: "a", Role: Primary}, Endpoint{Address: "b", Role: Replica})
			c.Demoted = func(err error) bool { return errors.Is(err, errBad) }
			c.ResolveEvery = -1
		})
		ready(t, c)
		time.Sleep(time.Second)
		_ = c.Do(Want(t.Context(), Primary), func(context.Context, *fakeConn) error { return errBad })
		if at, took := within(t, c, Want(t.Context(), Primary), 10*time.Second); at != "a" || took > 2*time.Second {
			t.Errorf("%s after %v", at, took)
		}
	})
}

// What sessions know stays known although the resolver knows nothing.
func TestWhatSessionsKnowOutlastsAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e, c := newMoving(t, new(told), func(c *Config[*fakeConn]) {
			c.RoleOf, c.ResolveEvery = func(conn *fakeConn) Role { return Role(conn.host.role.Load()) }, time.Second
		}, "a")
		s.host("a").role.Store(int64(Primary))
		where(t, c, Any)
		asked := e.asked()
		time.Sleep(time.Minute)
		if role := c.Stats().Endpoints[0].Endpoint.Role; role != Primary || e.asked() < asked+5 {
			t.Errorf("it is %v after %d answers", role, e.asked()-asked)
		}
	})
}

// That a replica takes no writes is no news, and costs it no reader.
func TestAReplicaThatRefusesAWriteIsStillAReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) {
			c.Demoted = func(err error) bool { return errors.Is(err, errBad) }
		}, "b")
		where(t, c, Replica)
		synctest.Wait()
		asked := s.host("b").asked.Load()
		for range 10 {
			_ = c.Do(Want(t.Context(), Replica), func(context.Context, *fakeConn) error { return errBad })
			if got := c.Stats().Endpoints[1].Endpoint.Role; got != Replica {
				t.Fatalf("it is %v", got)
			}
		}
		time.Sleep(time.Second)
		if n := s.host("b").asked.Load(); n != asked {
			t.Errorf("asked %d times", n-asked)
		}
	})
}

// Who seems to have been replaced is asked at once, however new its last answer is.
func TestWhoWasReplacedIsAskedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge = time.Hour }, "b")
		where(t, c, Primary)
		time.Sleep(time.Minute)
		s.host("a").role.Store(int64(Replica)) // a switchover, of which a new connection to b tells
		s.host("b").role.Store(int64(Primary))
		start := time.Now()
		for range 5 {
			acquire(t, c, Want(t.Context(), Replica))
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("a replica is there after %v", took)
		}
		for i, want := range []Role{Replica, Primary} {
			if e := c.Stats().Endpoints[i].Endpoint; e.Role != want {
				t.Errorf("%s is a %v", e, e.Role)
			}
		}
	})
}

// An answer that is stale at once has nobody asked without a pause.
func TestTheReplacedAreNotAskedWithoutAPause(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{1, -1, time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge = age }, "b")
			for _, h := range s.hosts { // as long as a query takes
				h.think(time.Millisecond)
			}
			where(t, c, Primary)
			s.host("a").freeze(0)
			s.host("b").role.Store(int64(Primary))
			time.Sleep(20 * time.Second)
			s.host("a").up() // says still that it is the one
			time.Sleep(time.Minute)
			before := s.host("a").asked.Load()
			time.Sleep(time.Minute)
			if n := s.host("a").asked.Load() - before; n < 10 || n > 130 {
				t.Errorf("a RoleMaxAge of %v: asked %d times in a minute", age, n)
			}
			s.host("a").role.Store(int64(Replica)) // it has heard
			time.Sleep(6 * time.Second)
			if at, took := within(t, c, Want(t.Context(), Replica), time.Second); at != "a" {
				t.Errorf("a RoleMaxAge of %v: %s after %v", age, at, took)
			}
		})
	}
}

// The one that does not answer holds up nobody who does.
func TestAnEndpointThatHangsDoesNotHoldUpTheSearch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleTimeout = 4 * time.Second }, "b", "c")
		where(t, c, Primary)
		synctest.Wait()
		s.host("c").hang(true)
		s.host("a").freeze(0)
		time.Sleep(time.Second)
		began := time.Now()
		s.host("b").role.Store(int64(Primary))
		if at, _ := within(t, c, Want(t.Context(), Primary), time.Minute); at != "b" {
			t.Error(at)
		}
		if took := time.Since(began); took > defaultRoleEvery+100*time.Millisecond {
			t.Errorf("it was found after %v", took)
		}
	})
}

// A caller who cannot wait for an answer costs nobody the connection that is asked.
func TestASlowAnswerIsWaitedForByWhoeverIsNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge, c.Pool.MinConns = 2*time.Second, 5 }, "b")
		where(t, c, Primary)
		time.Sleep(10 * time.Second)
		for _, h := range s.hosts {
			h.think(600 * time.Millisecond)
		}
		dialled, served := s.host("a").dialled(), 0
		for range 10 {
			ctx, cancel := context.WithTimeout(Want(t.Context(), Primary), 200*time.Millisecond)
			if conn, err := c.Acquire(ctx); err == nil {
				served++
				conn.Release()
			}
			cancel()
		}
		if served == 0 {
			t.Error("nobody was served")
		}
		if n := s.host("a").dialled() - dialled; n > 0 {
			t.Errorf("%d connections were dialled", n)
		}
	})
}

// An answer that is old when it comes is new enough for who has asked.
func TestARoleMayBeAskedBeforeEveryUse(t *testing.T) {
	t.Parallel()
	s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge = 1 }, "b")
	for range 20 {
		before := s.host("a").asked.Load()
		if at, _ := within(t, c, Want(t.Context(), Primary), 20*time.Second); at != "a" {
			t.Fatal(at)
		}
		if s.host("a").asked.Load() == before {
			t.Error("it was not asked")
		}
	}
}

func TestManyWhoWaitForOneAnswerAskOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newRoles(t, new(told), func(c *Config[*fakeConn]) { c.RoleMaxAge, c.Pool.MinConns = time.Second, 10 }, "b")
		where(t, c, Primary)
		time.Sleep(10 * time.Second)
		s.host("a").think(100 * time.Millisecond)
		before := s.host("a").asked.Load()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { acquire(t, c, Want(t.Context(), Primary)).Release() })
		}
		wg.Wait()
		if n := s.host("a").asked.Load() - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}
