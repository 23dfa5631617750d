package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/hale"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
	"example.com/hale/sockopt"
)

const masterName = "orders" // by which the Sentinels know the master

// sentinels is a Redis master, its replica, and three Sentinels, two of which have to
// agree.
type sentinels struct {
	master, replica *service.Server
	addresses       []string
}

func serveRedis(t *testing.T, args ...string) *service.Server {
	t.Helper()
	return serveProgram(t, service.Service{
		Program: service.Program{Name: "redis-server", Package: "redis-server"},
		Args: func(_ service.Home, host, port string) []string {
			return append([]string{
				"--bind", host, "--port", port, "--protected-mode", "no", "--replica-announce-ip", host,
				"--save", "", "--appendonly", "no", "--tcp-keepalive", "0", "--repl-diskless-sync-delay", "0",
			}, args...)
		},
	})
}

// serveProgram starts a server, and ends it with the test, halted or not.
func serveProgram(t *testing.T, s service.Service) *service.Server {
	t.Helper()
	server, err := s.Start(t.Context())
	if errors.Is(err, service.ErrAbsent) {
		testnet.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Resume() // what is halted heeds no signal
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func serveSentinels(t *testing.T) sentinels {
	t.Helper()
	var s sentinels
	s.master = serveRedis(t)
	host, port, _ := net.SplitHostPort(s.master.Addr)
	s.replica = serveRedis(t, "--replicaof", host, port)
	config := fmt.Sprintf("sentinel announce-ip %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %[2]s 1000\n"+
		"sentinel failover-timeout %[2]s 10000\nprotected-mode no\n", host, masterName, host, port)
	for range 3 {
		sentinel := serveProgram(t, service.Service{
			Program: service.Program{Name: "redis-server", Package: "redis-server"},
			Prepare: func(_ context.Context, h service.Home) error { return h.WriteFile("sentinel.conf", []byte(config)) },
			Args: func(h service.Home, host, port string) []string {
				return []string{h.Path("sentinel.conf"), "--sentinel", "--bind", host, "--port", port}
			},
		})
		s.addresses = append(s.addresses, sentinel.Addr)
	}
	for _, address := range s.addresses {
		awaitRedis(t, address, "the Sentinels know each other and the replica", func(reply any) bool {
			about := fields(reply)
			return about["num-slaves"] == "1" && about["num-other-sentinels"] == "2"
		}, "sentinel", "master", masterName)
	}
	awaitRedis(t, s.replica.Addr, "the replica follows", func(reply any) bool {
		return strings.Contains(fmt.Sprint(reply), "master_link_status:up")
	}, "info", "replication")
	return s
}

// awaitRedis asks until the reply is what a test waits for.
func awaitRedis(t *testing.T, address, what string, is func(any) bool, command ...string) {
	t.Helper()
	var reply any
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if reply = askRedis(t, address, command...); is(reply) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s: %v", what, reply)
		}
	}
}

func askRedis(t *testing.T, address string, command ...string) any {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	reply, err := newResp(conn).do(ctx, command...)
	if err != nil {
		t.Fatalf("%s: %v: %v", address, command, err)
	}
	return reply
}

// fields reads a reply that is names and values in turn.
func fields(reply any) map[string]string {
	all := make(map[string]string)
	list, _ := reply.([]any)
	for pair := range slices.Chunk(list, 2) {
		all[fmt.Sprint(pair[0])] = fmt.Sprint(pair[len(pair)-1])
	}
	return all
}

type redisCluster = cluster.Cluster[*respConn]

type watch = func(context.Context, func([]cluster.Endpoint) error) error

// newRedis is a cluster of hale's that is told by the Sentinels.
func newRedis(t *testing.T, watch watch) *redisCluster {
	t.Helper()
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(3 * time.Second)}
	c, err := cluster.New(cluster.Config[*respConn]{
		Watch: watch,
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", e.Address)
		},
		Pool: pool.Config[*respConn]{
			Open: func(_ context.Context, conn net.Conn) (*respConn, error) { return newResp(conn), nil },
			Check: func(ctx context.Context, c *respConn) error {
				_, err := c.do(ctx, "ping")
				return err
			},
			DialTimeout:  time.Second,
			CheckTimeout: 500 * time.Millisecond,
			Monitor:      pool.Monitor{After: 500 * time.Millisecond},
		},
		MaxConns:     16,
		RoleEvery:    100 * time.Millisecond, // as often as a Sentinel takes a step of a failover
		DrainTimeout: time.Second,            // of a master that is left out
		Role: func(ctx context.Context, c *respConn) (cluster.Role, error) {
			reply, err := c.do(ctx, "role")
			if err != nil {
				return cluster.Any, err
			}
			if reply.([]any)[0] == "master" {
				return cluster.Primary, nil
			}
			return cluster.Replica, nil
		},
		Demoted: func(err error) bool {
			var r refusal
			return errors.As(err, &r) && strings.HasPrefix(string(r), "READONLY")
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

// plain is a command by itself.
func plain(ctx context.Context, c *respConn, command []string) error {
	_, err := c.do(ctx, command...)
	return err
}

type run = func(ctx context.Context, c *respConn, command []string) error

func haleRedisLoad(c *redisCluster, client, kind string, wish func(context.Context) context.Context, run run, command func(n int) []string) *load {
	l := &load{client: client, kind: kind}
	l.do = func(ctx context.Context, n int) outcome {
		err := c.Do(wish(ctx), func(ctx context.Context, c *respConn) error {
			l.attempts.Add(1)
			return run(ctx, c, command(n))
		})
		return l.judgeRedis(err, pool.SafeToRetry(err))
	}
	return l
}

// goRedisLoad leaves all to go-redis, and counts what it writes to connections.
func goRedisLoad(t *testing.T, kind string, options redis.FailoverOptions, command func(n int) []string) *load {
	l := &load{client: "go-redis", kind: kind}
	name := []byte(command(0)[0])
	options.MasterName, options.PoolSize = masterName, 8
	options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return counted{conn, name, &l.attempts}, nil
	}
	client := redis.NewFailoverClient(&options)
	t.Cleanup(func() { client.Close() })
	l.do = func(ctx context.Context, n int) outcome {
		var words []any
		for _, word := range command(n) {
			words = append(words, word)
		}
		return l.judgeRedis(client.Do(ctx, words...).Err(), false)
	}
	return l
}

// counted counts the commands of a name that are written.
type counted struct {
	net.Conn
	name []byte
	n    *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.n.Add(int64(bytes.Count(b, c.name)))
	return c.Conn.Write(b)
}

// judgeRedis is what a client can know of a command by its error. safe is what the
// client says itself.
func (l *load) judgeRedis(err error, safe bool) outcome {
	var refused refusal
	var dial *net.OpError
	switch {
	case err == nil:
		return done
	case safe, errors.As(err, &refused), strings.HasPrefix(err.Error(), "READONLY"),
		errors.As(err, &dial) && dial.Op == "dial":
		return l.note(failed, err)
	}
	return l.note(unknown, err)
}

const planned = "Redis, `sentinel failover`"

func TestRedisFailsOver(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*testing.T, sentinels){
		"Redis, master frozen": func(t *testing.T, s sentinels) {
			if err := s.master.Halt(); err != nil {
				t.Fatal(err)
			}
		},
		"Redis, master killed": func(t *testing.T, s sentinels) {
			if err := s.master.Kill(); err != nil {
				t.Fatal(err)
			}
		},
		planned: func(t *testing.T, s sentinels) {
			if reply := askRedis(t, s.addresses[0], "sentinel", "failover", masterName); reply != "OK" {
				t.Fatal(reply)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failRedisOver(t, name, lose)
		})
	}
}

func failRedisOver(t *testing.T, name string, lose func(*testing.T, sentinels)) {
	s := serveSentinels(t)
	c := newRedis(t, s.watch)
	primary := func(ctx context.Context) context.Context { return cluster.Want(ctx, cluster.Primary) }
	twice := func(ctx context.Context) context.Context { return pool.Idempotent(primary(ctx)) }
	replica := func(ctx context.Context) context.Context {
		return pool.Idempotent(cluster.Want(ctx, cluster.PreferReplica))
	}
	pushes := func(list string) func(int) []string {
		return func(n int) []string { return []string{"rpush", list, strconv.Itoa(n)} }
	}
	reads := func(int) []string { return []string{"llen", "hale"} }
	loads := []*load{
		haleRedisLoad(c, "hale", "write", primary, plain, pushes("hale")),
		haleRedisLoad(c, "hale", "idempotent write", twice, plain, pushes("idempotent")),
		haleRedisLoad(c, "hale", "read", replica, plain, reads),
		goRedisLoad(t, "write", redis.FailoverOptions{SentinelAddrs: s.addresses}, pushes("go-redis")),
		goRedisLoad(t, "read", redis.FailoverOptions{SentinelAddrs: s.addresses, ReplicaOnly: true}, reads),
	}
	lists := map[int]string{0: "hale", 1: "idempotent", 3: "go-redis"}
	if name == planned {
		late := newRedis(t, s.watchTheEnd)
		lists[len(loads)], lists[len(loads)+1] = "late", "confirmed"
		loads = append(loads,
			haleRedisLoad(late, toldLate, "write", primary, plain, pushes("late")),
			haleRedisLoad(late, toldLate, "write and `WAIT 1 200`", primary, confirmed, pushes("confirmed")))
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, l := range loads {
		l.run(ctx, &wg, 3, 20*time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	lose(t, s)
	time.Sleep(8 * time.Second)
	// One that was frozen goes on, and takes itself for the master still.
	_ = s.master.Resume()
	// Until the Sentinels have told the old master, and a while.
	time.Sleep(4 * time.Second)
	stop()
	wg.Wait()

	ran := make(map[string]map[int]int) // how often, by list and number, at the new master
	for _, list := range lists {
		ran[list] = make(map[int]int)
		for _, value := range askRedis(t, s.replica.Addr, "lrange", list, "0", "-1").([]any) {
			n, _ := strconv.Atoi(value.(string))
			ran[list][n]++
		}
	}
	for i, list := range lists {
		loads[i].count(ran[list])
		if list == "confirmed" && loads[i].lost > 0 {
			t.Errorf("%d writes are lost that the replica had confirmed", loads[i].lost)
		}
	}
	report(t, name, loads...)
	if loads[0].twice > 0 {
		t.Errorf("%d writes have run twice that were not said to be idempotent", loads[0].twice)
	}
	if wrong := loads[0].ranThough(ran["hale"]); len(wrong) > 0 {
		t.Errorf("writes %v are said not to have run, and have", wrong)
	}
	stalled(t, loads[2], loads[0], loads[1])
	if name != "Redis, master killed" && loads[0].lost > 10 {
		t.Errorf("%d acknowledged writes are lost: the old master was written to for longer, or believed again", loads[0].lost)
	}
	if st := c.Stats(); st.Failovers == 0 || st.FailingOver {
		t.Errorf("%d failovers, still failing over: %t", st.Failovers, st.FailingOver)
	}
}

// toldLate is a client that writes only, and hears of a failover when it is over.
const toldLate = "hale, told by `+switch-master` alone"
