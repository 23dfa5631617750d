package redishale

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
	"example.com/hale/pool/cluster"
)

// start starts a server with arguments that follow those of every Redis here.
func start(t *testing.T, s service.Service) *service.Server {
	t.Helper()
	s.Program = service.Program{Name: "redis-server", Package: "redis-server"}
	server, err := s.Start(t.Context())
	if errors.Is(err, service.ErrAbsent) {
		testnet.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func startRedis(t *testing.T, args ...string) *service.Server {
	t.Helper()
	return start(t, service.Service{Args: func(_ service.Home, host, port string) []string {
		return append([]string{
			"--bind", host, "--port", port, "--replica-announce-ip", host, "--protected-mode", "no",
			"--save", "", "--repl-diskless-sync-delay", "0",
		}, args...)
	}})
}

func startSentinel(t *testing.T, master string) *service.Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(master)
	config := fmt.Sprintf("sentinel monitor orders %s %s 1\nsentinel down-after-milliseconds orders 1000\nprotected-mode no\n", host, port)
	return start(t, service.Service{
		Prepare: func(_ context.Context, h service.Home) error { return h.WriteFile("sentinel.conf", []byte(config)) },
		Args: func(h service.Home, host, port string) []string {
			return []string{h.Path("sentinel.conf"), "--sentinel", "--bind", host, "--port", port}
		},
	})
}

// A failover that is planned, and then one that is not. The old master takes writes for
// ten seconds after the first, and loses them; this client leaves it before.
func TestAClusterFollowsTheMaster(t *testing.T) {
	t.Parallel()
	master := startRedis(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := startRedis(t, "--replicaof", host, port)
	ctx := dialled.Context(t)
	there := redis.NewClient(&redis.Options{Addr: replica.Addr})
	t.Cleanup(func() { there.Close() })
	informed := func(of string) func() bool {
		return func() bool {
			about, err := there.Info(ctx, "replication").Result()
			return err == nil && strings.Contains(about, of)
		}
	}
	await(t, ctx, "the replica follows", informed("master_link_status:up"))
	sentinel := startSentinel(t, master.Addr)
	asked := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr})
	t.Cleanup(func() { asked.Close() })
	await(t, ctx, "the Sentinel knows the replica", func() bool {
		replicas, err := asked.Replicas(ctx, "orders").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})

	c, err := NewCluster("orders", []string{sentinel.Addr}, trialtest.Dialer().DialContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	push := func(n int) error {
		return c.Do(cluster.Want(ctx, cluster.Primary), func(ctx context.Context, r *redis.Client) error {
			return r.RPush(ctx, "numbers", n).Err()
		})
	}
	leadsTo := func(role cluster.Role) string {
		conn, err := c.Acquire(cluster.Want(ctx, role))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		return conn.Endpoint().Address
	}
	if p, r := leadsTo(cluster.Primary), leadsTo(cluster.Replica); p != master.Addr || r != replica.Addr {
		t.Fatalf("the master is %s, the replica %s", p, r)
	}
	n := 0
	pushUntil := func(address string) {
		t.Helper()
		for after := 0; after < 100; n++ {
			if err := push(n); err != nil {
				t.Fatal(err)
			}
			if leadsTo(cluster.Primary) == address {
				after++
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	pushUntil(master.Addr)
	if err := asked.Failover(ctx, "orders").Err(); err != nil {
		t.Fatal(err)
	}
	pushUntil(replica.Addr)
	// None, as a rule; with news of the end alone it is a second's.
	if all, err := there.LRange(ctx, "numbers", 0, -1).Result(); err != nil || len(all) < n-30 {
		t.Errorf("%d numbers of %d are there: %v", len(all), n, err)
	}

	await(t, ctx, "the old master follows", informed("connected_slaves:1"))
	if err := replica.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "writes come through", func() bool { return push(n) == nil })
	if p := leadsTo(cluster.Primary); p != master.Addr {
		t.Errorf("the master is %s, and not the one that was left", p)
	}
	if st := c.Stats(); st.Failovers != 2 {
		t.Errorf("%d failovers", st.Failovers)
	}
}

func await(t *testing.T, ctx context.Context, what string, is func() bool) {
	t.Helper()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatal("not in time: " + what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAClientOfOneConnectionDialsNoOther(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Redis)
	ctx := dialled.Context(t)
	conn, err := trialtest.Dialer().DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := clientOn(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Set(ctx, "n", strconv.Itoa(1), 0).Err(); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for range 2 {
		if err := c.Get(ctx, "n").Err(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
	}
}
