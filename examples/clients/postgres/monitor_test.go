package postgres

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale/health"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
	"example.com/hale/pool"
)

// With every session in use, a stopped server is seen by nobody but the monitor:
// its kernel answers keepalive, and acknowledges what it is sent.
func TestAServerThatIsStoppedUnderLoadIsFoundByTheMonitor(t *testing.T) {
	t.Parallel()
	const after, timeout = time.Second, 500 * time.Millisecond
	const latest = after + after/4 + 2*timeout
	const slow = time.Second // of a machine that is busy
	server := trialtest.Serve(t, service.Postgres)
	var r dialled.Conns
	var asked atomic.Int32
	config, err := sessionsConfig(URL(server.Addr), r.Dial)
	if err != nil {
		t.Fatal(err)
	}
	config.Monitor, config.CheckTimeout, config.DialTimeout = pool.Monitor{After: after}, timeout, 3*time.Second
	config.Observer = &pool.Observer{Heartbeat: func(i pool.HeartbeatInfo) {
		if i.Err == nil {
			asked.Add(1)
		}
	}}
	p, err := pool.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	s := p

	var all sync.WaitGroup
	errs := make(chan error, maxSessions)
	for range maxSessions {
		all.Go(func() {
			errs <- s.Do(dialled.Context(t), func(ctx context.Context, c *pgconn.PgConn) error {
				return c.Exec(ctx, "select pg_sleep(600)").Close()
			})
		})
	}
	dialled.Until(t, "the server has answered the monitor twice", func() bool { return asked.Load() >= 2 })
	if st := s.Stats(); st.InUse != maxSessions || len(st.Deaths) > 0 {
		t.Fatalf("with a slow query on each session: %+v", st)
	}

	t.Cleanup(func() { _ = server.Resume() })
	stopped := time.Now()
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	for range maxSessions {
		err := <-errs
		dead, ok := errors.AsType[*health.DeadError](err)
		if !ok || dead.Cause != health.HeartbeatFailed {
			t.Errorf("a caller got %v", err)
		}
	}
	noticed := time.Since(stopped)
	t.Logf("noticed after %v of %v", noticed, latest)
	if st := s.Stats(); noticed > latest+slow || st.Deaths[health.HeartbeatFailed] != maxSessions || !st.Down {
		t.Errorf("noticed after %v, %+v", noticed, st)
	}
	all.Wait()

	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	if pid := whose(t, s); pid == 0 {
		t.Error("no session")
	}
	dialled.Until(t, "the outage has ended", func() bool { return s.Stats().Outages == 1 })
}
