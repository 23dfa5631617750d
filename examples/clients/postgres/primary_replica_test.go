package postgres

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// Writes find the primary and reads the replica, also after the primary was killed and
// the replica promoted.
func TestAClusterFollowsThePrimary(t *testing.T) {
	t.Parallel()
	primary, replica, err := service.PostgresPair(t.Context())
	if errors.Is(err, service.ErrAbsent) {
		testnet.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*service.Server{replica, primary} {
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	// The replica comes first: which one is the primary is not told by the order.
	c, err := NewCluster(URL(replica.Addr+","+primary.Addr), trialtest.Dialer().DialContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	exec := func(role cluster.Role, sql string) error {
		// It may run twice: what it does is the same then.
		ctx := pool.Idempotent(cluster.Want(dialled.Context(t), role))
		return c.Do(ctx, func(ctx context.Context, pg *pgconn.PgConn) error { return pg.Exec(ctx, sql).Close() })
	}
	leadsTo := func(role cluster.Role) string {
		conn, err := c.Acquire(cluster.Want(dialled.Context(t), role))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		return conn.Endpoint().Address
	}
	if err := exec(cluster.Primary, "create table if not exists kept (n int)"); err != nil {
		t.Fatal(err)
	}
	if p, r := leadsTo(cluster.Primary), leadsTo(cluster.Replica); p != primary.Addr || r != replica.Addr {
		t.Errorf("the primary is %s, the replica %s; want %s and %s", p, r, primary.Addr, replica.Addr)
	}
	if err := exec(cluster.Replica, "create table refused (n int)"); err == nil || !isReadOnly(err) {
		t.Errorf("a write to the replica: %v", err)
	}
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := exec(cluster.PreferReplica, "select pg_promote()"); err != nil {
		t.Fatal(err)
	}
	if err := exec(cluster.Primary, "create table if not exists kept (n int); delete from kept"); err != nil {
		t.Fatal(err)
	}
	if p := leadsTo(cluster.Primary); p != replica.Addr {
		t.Errorf("the primary is %s", p)
	}
	if st := c.Stats(); st.Failovers != 1 {
		t.Errorf("%d failovers", st.Failovers)
	}
}

func TestTheServersOfAURLAreToldApart(t *testing.T) {
	config, err := pgconn.ParseConfig("postgres://hale@a:1,b:2/postgres") // sslmode=prefer: each with TLS and without
	if err != nil {
		t.Fatal(err)
	}
	addresses, servers := split(config)
	if len(addresses) != 2 || addresses[0] != "a:1" || addresses[1] != "b:2" {
		t.Error(addresses)
	}
	for address, host := range map[string]string{"a:1": "a", "b:2": "b"} {
		s := servers[address]
		if s.Host != host || s.TLSConfig == nil || len(s.Fallbacks) != 1 || s.Fallbacks[0].Host != host || s.Fallbacks[0].TLSConfig != nil {
			t.Errorf("%s: %+v", address, s)
		}
	}
}
