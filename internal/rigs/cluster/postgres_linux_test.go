package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/hale"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
	"example.com/hale/sockopt"
)

// Codes of PostgreSQL's errors and notices, appendix A of its documentation.
const (
	readOnly = "25006" // read_only_sql_transaction
	warning  = "01000"
)

// servePair starts a primary and its synchronous standby, with a table on both.
func servePair(t *testing.T) (primary, standby *service.Server) {
	t.Helper()
	primary, standby, err := service.PostgresPair(t.Context())
	if errors.Is(err, service.ErrAbsent) {
		testnet.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*service.Server{standby, primary} {
		t.Cleanup(func() {
			_ = s.Resume() // what is halted heeds no signal
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	// Done when reads of the standby see it.
	administer(t, primary.Addr, "set synchronous_commit = remote_apply; create table writes (kind text, n int)")
	return primary, standby
}

func url(addresses string) string {
	return "postgres://hale@" + addresses + "/postgres?sslmode=disable"
}

// administer runs a statement at one server.
func administer(t *testing.T, address, sql string) [][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	c, err := pgconn.Connect(ctx, url(address))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var rows [][]string
	for _, row := range results[0].Rows {
		var texts []string
		for _, value := range row {
			texts = append(texts, string(value))
		}
		rows = append(rows, texts)
	}
	return rows
}

// noticeUnconfirmed notes in the session what the server says of a commit that the
// standby has not confirmed: a warning, and success.
func noticeUnconfirmed(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.Code == warning {
		c.CustomData()["unconfirmed"] = true
	}
}

// unconfirmed reports whether the last statement was such a commit.
func unconfirmed(c *pgconn.PgConn) bool {
	was := c.CustomData()["unconfirmed"] != nil
	delete(c.CustomData(), "unconfirmed")
	return was
}

var errUnconfirmed = errors.New("committed here, and perhaps nowhere else")

// session is a connection, with the session on it.
type session struct {
	net.Conn
	pg *pgconn.PgConn
}

func sessionOn(conn net.Conn) *pgconn.PgConn {
	for {
		switch c := conn.(type) {
		case session:
			return c.pg
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

type postgres = cluster.Cluster[*pgconn.PgConn]

// newPostgres is a cluster of hale's before PostgreSQL servers.
func newPostgres(t *testing.T, addresses ...string) *postgres {
	t.Helper()
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(3 * time.Second)}
	c, err := cluster.New(cluster.Config[*pgconn.PgConn]{
		Resolve: cluster.Static(addresses...),
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
			config, err := pgconn.ParseConfig(url(e.Address))
			if err != nil {
				return nil, err
			}
			config.DialFunc, config.OnNotice = dialer.DialContext, noticeUnconfirmed
			pg, err := pgconn.ConnectConfig(ctx, config)
			if err != nil {
				return nil, err
			}
			return session{pg.Conn(), pg}, nil
		},
		Pool: pool.Config[*pgconn.PgConn]{
			Open: func(_ context.Context, conn net.Conn) (*pgconn.PgConn, error) {
				if pg := sessionOn(conn); pg != nil {
					return pg, nil
				}
				return nil, errors.New("not what Dial returned")
			},
			Check:        func(ctx context.Context, pg *pgconn.PgConn) error { return pg.Ping(ctx) },
			AfterRelease: func(pg *pgconn.PgConn) bool { return !pg.IsClosed() && !pg.IsBusy() && pg.TxStatus() == 'I' },
			Close: func(pg *pgconn.PgConn) error {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				return pg.Close(ctx)
			},
			DialTimeout:  time.Second,
			CheckTimeout: 500 * time.Millisecond,
			Monitor:      pool.Monitor{After: 500 * time.Millisecond},
		},
		MaxConns: 16,
		Role: func(ctx context.Context, pg *pgconn.PgConn) (cluster.Role, error) {
			results, err := pg.Exec(ctx, "select pg_is_in_recovery()").ReadAll()
			switch {
			case err != nil:
				return cluster.Any, err
			case string(results[0].Rows[0][0]) == "t":
				return cluster.Replica, nil
			}
			return cluster.Primary, nil
		},
		RoleOf: func(pg *pgconn.PgConn) cluster.Role {
			switch pg.ParameterStatus("in_hot_standby") { // sent unasked when it changes, since 14
			case "on":
				return cluster.Replica
			case "off":
				return cluster.Primary
			}
			return cluster.Any
		},
		Demoted: func(err error) bool {
			var e *pgconn.PgError
			return errors.As(err, &e) && e.Code == readOnly
		},
		Observer: &cluster.Observer{
			FailoverBegin: func(i cluster.FailoverInfo) { t.Log("hale: failover begins:", i) },
			FailoverEnd:   func(i cluster.FailoverInfo) { t.Log("hale: failover ends:", i) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// insert is the statement of write n. Nothing but the client keeps it from running
// twice.
func insert(kind string, n int) string {
	return "insert into writes values ('" + kind + "', " + strconv.Itoa(n) + ")"
}

const count = "select count(*) from writes"

// haleLoad does a statement by c, with what ctx says for it.
func haleLoad(c *postgres, kind string, wish func(context.Context) context.Context, sql func(n int) string) *load {
	l := &load{client: "hale", kind: kind}
	l.do = func(ctx context.Context, n int) outcome {
		err := c.Do(wish(ctx), func(ctx context.Context, pg *pgconn.PgConn) error {
			l.attempts.Add(1)
			err := pg.Exec(ctx, sql(n)).Close()
			if unconfirmed(pg) && err == nil {
				err = errUnconfirmed
			}
			return err
		})
		return l.judge(err, pool.SafeToRetry(err))
	}
	return l
}

// pgxLoad does it by a pgxpool.
func pgxLoad(p *pgxpool.Pool, kind string, sql func(n int) string) *load {
	l := &load{client: "pgxpool", kind: kind}
	l.do = func(ctx context.Context, n int) outcome {
		c, err := p.Acquire(ctx)
		if err != nil {
			return l.note(failed, err)
		}
		defer c.Release()
		l.attempts.Add(1)
		pg := c.Conn().PgConn()
		err = pg.Exec(ctx, sql(n)).Close()
		if unconfirmed(pg) && err == nil {
			err = errUnconfirmed
		}
		return l.judge(err, pgconn.SafeToRetry(err))
	}
	return l
}

// judge is what the client can know of a statement by its error. safe is what it
// says itself.
func (l *load) judge(err error, safe bool) outcome {
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return done
	case safe, errors.As(err, &refused) && refused.Code == readOnly:
		return l.note(failed, err)
	}
	return l.note(unknown, err)
}

// newPgxpool is a pool by pgx's connection string for several servers.
func newPgxpool(t *testing.T, target string, addresses string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url(addresses) + "&connect_timeout=1&target_session_attrs=" + target)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 8
	config.ConnConfig.OnNotice = noticeUnconfirmed
	p, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// What the operator's program does is done here: it sees that the primary does not
// answer, and promotes the standby after a second.
func TestPostgresFailsOver(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*service.Server) error{
		"PostgreSQL, primary frozen": (*service.Server).Halt,
		"PostgreSQL, primary killed": (*service.Server).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failOver(t, name, lose)
		})
	}
}

func failOver(t *testing.T, name string, lose func(*service.Server) error) {
	primary, standby := servePair(t)
	addresses := primary.Addr + "," + standby.Addr
	c := newPostgres(t, primary.Addr, standby.Addr)
	writable, readable := newPgxpool(t, "read-write", addresses), newPgxpool(t, "prefer-standby", addresses)

	primaryOnly := func(ctx context.Context) context.Context { return cluster.Want(ctx, cluster.Primary) }
	twice := func(ctx context.Context) context.Context { return pool.Idempotent(primaryOnly(ctx)) }
	replica := func(ctx context.Context) context.Context {
		return pool.Idempotent(cluster.Want(ctx, cluster.PreferReplica))
	}
	writes := func(kind string) func(int) string { return func(n int) string { return insert(kind, n) } }
	reads := func(int) string { return count }
	loads := []*load{
		haleLoad(c, "write", primaryOnly, writes("hale")),
		haleLoad(c, "idempotent write", twice, writes("idempotent")),
		haleLoad(c, "read", replica, reads),
		pgxLoad(writable, "write", writes("pgxpool")),
		pgxLoad(readable, "read", reads),
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, l := range loads {
		l.run(ctx, &wg, 3, 20*time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	if err := lose(primary); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	administer(t, standby.Addr, "select pg_promote()")
	time.Sleep(6 * time.Second) // more than a request may take
	// One that was frozen goes on, and takes itself for the primary still.
	_ = primary.Resume()
	time.Sleep(2 * time.Second)
	stop()
	wg.Wait()

	ran := make(map[string]map[int]int) // how often, by kind and number, at the new primary
	for _, row := range administer(t, standby.Addr, "select kind, n, count(*) from writes group by kind, n") {
		if ran[row[0]] == nil {
			ran[row[0]] = make(map[int]int)
		}
		n, _ := strconv.Atoi(row[1])
		ran[row[0]][n], _ = strconv.Atoi(row[2])
	}
	for i, kind := range map[int]string{0: "hale", 1: "idempotent", 3: "pgxpool"} {
		loads[i].count(ran[kind])
		if wrong := loads[i].ranThough(ran[kind]); len(wrong) > 0 {
			t.Errorf("%s: writes %v are said not to have run, and have", kind, wrong)
		}
		if loads[i].lost > 0 {
			t.Errorf("%s: %d writes were acknowledged and are lost", kind, loads[i].lost)
		}
		if kind != "idempotent" && loads[i].twice > 0 {
			t.Errorf("%s: %d writes have run twice", kind, loads[i].twice)
		}
	}
	report(t, name, loads...)
	stalled(t, loads[2], loads[0], loads[1])
	if st := c.Stats(); st.Failovers == 0 || st.FailingOver {
		t.Errorf("%d failovers, still failing over: %t", st.Failovers, st.FailingOver)
	}
}

// A commit that waits for its standby, and whose wait is cancelled, is a success with a
// warning: it is here, and lost if the standby is promoted.
func TestACommitWhoseWaitWasCancelledIsUnknown(t *testing.T) {
	t.Parallel()
	primary, standby := servePair(t)
	c := newPostgres(t, primary.Addr, standby.Addr)
	l := haleLoad(c, "write", func(ctx context.Context) context.Context { return cluster.Want(ctx, cluster.Primary) },
		func(n int) string { return insert("hale", n) })
	l.last = make(map[outcome]error)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if how := l.do(ctx, 1); how != done {
		t.Fatal(how, l.last)
	}
	if err := standby.Halt(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan outcome)
	go func() { ended <- l.do(ctx, 2) }()
	var how outcome
	for waiting := true; waiting; {
		select {
		case how = <-ended:
			waiting = false
		case <-time.After(50 * time.Millisecond):
			administer(t, primary.Addr, "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
		}
	}
	if how != unknown || !errors.Is(l.last[unknown], errUnconfirmed) {
		t.Errorf("%v, %v", how, l.last)
	}
	if err := standby.Resume(); err != nil {
		t.Fatal(err)
	}
	if rows := administer(t, primary.Addr, "select n from writes"); fmt.Sprint(rows) != "[[1] [2]]" {
		t.Errorf("the primary has %v", rows)
	}
}
