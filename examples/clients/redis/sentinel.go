package redishale

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// NewCluster is hale's pools of connections to a Redis master and its replicas, of which
// Sentinels tell that know the master by a name. It is the ctx of a command that says
// what it needs:
//
//	err := c.Do(cluster.Want(ctx, cluster.Primary), write)
//	err := c.Do(cluster.Want(ctx, cluster.PreferReplica), read)
//
// Each *redis.Client is one connection, and nobody else's meanwhile; it sends nothing
// twice, and a command ends with its ctx. The caller closes the cluster.
func NewCluster(name string, sentinels []string, dial Dial) (*cluster.Cluster[*redis.Client], error) {
	return cluster.New(cluster.Config[*redis.Client]{
		Name: name,
		Watch: func(ctx context.Context, update func([]cluster.Endpoint) error) error {
			return (&watcher{name: name, dial: dial, update: update}).watch(ctx, sentinels)
		},
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) { return dial(ctx, "tcp", e.Address) },
		Pool: pool.Config[*redis.Client]{
			Open:    clientOn,
			Close:   (*redis.Client).Close,
			Check:   func(ctx context.Context, c *redis.Client) error { return c.Ping(ctx).Err() },
			Monitor: pool.Monitor{After: time.Second}, // a server that hangs is given up, too
		},
		MaxConns:     16,
		Role:         askRole,
		RoleEvery:    100 * time.Millisecond, // as often as a Sentinel takes a step of a failover
		Demoted:      func(err error) bool { return redis.HasErrorPrefix(err, "READONLY") },
		DrainTimeout: time.Second, // of a master that is left out
	})
}

func askRole(ctx context.Context, c *redis.Client) (cluster.Role, error) {
	reply, err := c.Do(ctx, "role").Slice()
	if err != nil {
		return cluster.Any, err
	}
	if reply[0] == "master" {
		return cluster.Primary, nil
	}
	return cluster.Replica, nil
}

// clientOn makes a client of one connection, which dials no other.
func clientOn(_ context.Context, conn net.Conn) (*redis.Client, error) {
	var given atomic.Bool
	return redis.NewClient(&redis.Options{
		Addr: conn.RemoteAddr().String(),
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			if given.Swap(true) {
				return nil, errGone
			}
			return conn, nil
		},
		PoolSize: 1, MaxRetries: -1, DialerRetries: 1,
		ReadTimeout: -1, WriteTimeout: -1, ContextTimeoutEnabled: true,
		ConnMaxIdleTime: -1,
	}), nil
}

// errGone is a command on a client whose connection is gone: it was not sent, and
// net.ErrClosed tells Do so.
var errGone = errors.Join(errors.New("redis: the connection of this client is gone"), net.ErrClosed)

// What Sentinels say of a failover. Only the one that leads it tells of the steps; of its
// end each does, up to two seconds later than that one.
const (
	// leaves comes two steps before the new master is told that it is one, 120 to 210 ms:
	// what is written to the old one after that is lost.
	leaves   = "+failover-state-select-slave"
	none     = "-failover-abort-no-good-slave" // the old one stays
	timeout  = "-failover-abort-slave-timeout" // and here
	switched = "+switch-master"
	down, up = "+sdown", "-sdown" // of a replica, too
)

// A watcher is what the Sentinels have said.
type watcher struct {
	name   string
	dial   Dial
	update func([]cluster.Endpoint) error

	mu     sync.Mutex // guards what follows
	epoch  int        // of the last answer: the Sentinels count failovers
	leader string     // the Sentinel that is about to replace the master of that; empty if none is
	known  []cluster.Endpoint
}

// watch tells of the master and the replicas that are well, for Config.Watch. A master that is well and
// about to be replaced is left out, until another is there or the failover is given up.
func (w *watcher) watch(ctx context.Context, sentinels []string) error {
	var wg sync.WaitGroup
	for _, address := range sentinels {
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = w.follow(ctx, address)
				w.lost(address)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// follow asks a Sentinel, and again at each event, until it is lost.
func (w *watcher) follow(ctx context.Context, address string) error {
	o := options(address, w.dial)
	o.MaxRetries = -1
	sentinel := redis.NewSentinelClient(o)
	defer sentinel.Close()
	told := sentinel.Subscribe(ctx, leaves, none, timeout, switched, down, up)
	defer told.Close()
	defer context.AfterFunc(ctx, func() { _ = told.Close() })() // one that waits heeds no ctx
	if _, err := told.Receive(ctx); err != nil {
		return err
	}
	for event := ""; ; {
		a, err := w.ask(ctx, sentinel)
		switch {
		case err != nil:
		case event == leaves && a.well:
			err = w.leave(address)
		case event != leaves:
			err = w.tell(a, event == none || event == timeout)
		}
		if err != nil {
			return err
		}
		for event = ""; event == ""; {
			message, err := told.ReceiveMessage(ctx)
			if err != nil {
				return err
			}
			if slices.Contains(strings.Fields(message.Payload), w.name) { // and of no other master
				event = message.Channel
			}
		}
	}
}

// leave leaves out the master.
func (w *watcher) leave(leader string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader = leader
	return w.update(slices.DeleteFunc(slices.Clone(w.known), func(e cluster.Endpoint) bool { return e.Role == cluster.Primary }))
}

// lost has the master stay if the Sentinel was lost that was about to replace it.
func (w *watcher) lost(address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leader == address {
		w.leader = ""
		_ = w.update(w.known)
	}
}

// tell tells of what a Sentinel knows, unless another knew better.
func (w *watcher) tell(a answer, stays bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.epoch < w.epoch || a.epoch == w.epoch && w.leader != "" && !stays {
		return nil
	}
	w.epoch, w.leader, w.known = a.epoch, "", a.all
	return w.update(a.all)
}

// An answer is what a Sentinel knows.
type answer struct {
	epoch int
	all   []cluster.Endpoint // the master, and the replicas that are well
	well  bool               // the master
}

func (w *watcher) ask(ctx context.Context, sentinel *redis.SentinelClient) (a answer, err error) {
	master, err := sentinel.Master(ctx, w.name).Result()
	if err != nil {
		return a, err
	}
	replicas, err := sentinel.Replicas(ctx, w.name).Result()
	if err != nil {
		return a, err
	}
	a.well = isWell(master)
	a.all = []cluster.Endpoint{{Address: net.JoinHostPort(master["ip"], master["port"]), Role: cluster.Primary}}
	for _, replica := range replicas {
		if isWell(replica) {
			a.all = append(a.all, cluster.Endpoint{Address: net.JoinHostPort(replica["ip"], replica["port"]), Role: cluster.Replica})
		}
	}
	a.epoch, err = strconv.Atoi(master["config-epoch"])
	return a, err
}

// isWell is not a master that hangs and was replaced, which is a replica then, either.
func isWell(about map[string]string) bool { return !strings.Contains(about["flags"], "_down") }
