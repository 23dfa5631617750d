package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/hale"
	"example.com/hale/pool/cluster"
	"example.com/hale/sockopt"
)

// What a Sentinel says of a failover, and when. Only the one that leads it tells of the
// steps; of its end each does, up to two seconds later than the one that led.
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
	update func([]cluster.Endpoint) error

	mu     sync.Mutex // guards what follows
	epoch  int        // of the last answer: the Sentinels count failovers
	leader string     // the Sentinel that is about to replace the master of that; empty if none is
	known  []cluster.Endpoint
}

// watch is for Config.Watch: the master and the replicas that are well. A master that is well and about
// to be replaced is left out, until another is there or the failover is given up.
func (s sentinels) watch(ctx context.Context, update func([]cluster.Endpoint) error) error {
	w := &watcher{update: update}
	var wg sync.WaitGroup
	for _, address := range s.addresses {
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = w.follow(ctx, address, leaves, none, timeout, switched, down, up)
				w.lost(address)
				pause(ctx, time.Second)
			}
		})
	}
	wg.Wait()
	return nil
}

// watchTheEnd is watch of one Sentinel, which tells when the new master is there.
func (s sentinels) watchTheEnd(ctx context.Context, update func([]cluster.Endpoint) error) error {
	return (&watcher{update: update}).follow(ctx, s.addresses[0], switched)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow asks one Sentinel, and again at each of the events, until it is lost.
func (w *watcher) follow(ctx context.Context, address string, events ...string) error {
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(3 * time.Second)}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	told := newResp(conn)
	if _, err := told.do(ctx, append([]string{"subscribe"}, events...)...); err != nil {
		return err
	}
	for range events[1:] { // each is answered by itself
		if _, err := told.next(ctx); err != nil {
			return err
		}
	}
	event := ""
	for {
		answer, err := askSentinel(ctx, dialer, address)
		switch {
		case err != nil:
		case event == leaves && answer.well:
			err = w.leave(address)
		case event != leaves:
			err = w.tell(answer, event == none || event == timeout)
		}
		if err != nil {
			return err
		}
		if event, err = nextEvent(ctx, told); err != nil {
			return err
		}
	}
}

// nextEvent waits for what is said of this master: it is sent as "message", the event and
// a text with the name.
func nextEvent(ctx context.Context, told *respConn) (string, error) {
	for {
		reply, err := told.next(ctx)
		if err != nil {
			return "", err
		}
		message, _ := reply.([]any)
		if len(message) == 3 && slices.Contains(strings.Fields(fmt.Sprint(message[2])), masterName) {
			return fmt.Sprint(message[1]), nil
		}
	}
}

// leave leaves out the master, which a Sentinel is about to replace.
func (w *watcher) leave(leader string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader = leader
	return w.update(slices.DeleteFunc(slices.Clone(w.known), func(e cluster.Endpoint) bool { return e.Role == cluster.Primary }))
}

// lost has the master stay if it was lost who was about to replace it.
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

func askSentinel(ctx context.Context, dialer *hale.Dialer, address string) (a answer, err error) {
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return a, err
	}
	defer conn.Close()
	c := newResp(conn)
	master, err := c.do(ctx, "sentinel", "master", masterName)
	if err != nil {
		return a, err
	}
	replicas, err := c.do(ctx, "sentinel", "replicas", masterName)
	if err != nil {
		return a, err
	}
	endpoint := func(reply any, role cluster.Role) cluster.Endpoint {
		about := fields(reply)
		return cluster.Endpoint{Address: net.JoinHostPort(about["ip"], about["port"]), Role: role}
	}
	a.all = []cluster.Endpoint{endpoint(master, cluster.Primary)}
	for _, replica := range replicas.([]any) {
		if isWell(fields(replica)) {
			a.all = append(a.all, endpoint(replica, cluster.Replica))
		}
	}
	about := fields(master)
	a.well = isWell(about)
	a.epoch, err = strconv.Atoi(about["config-epoch"])
	return a, err
}

// isWell is not a master that hangs and was replaced, which is a replica then, either.
func isWell(about map[string]string) bool { return !strings.Contains(about["flags"], "_down") }

var errUnreplicated = errors.New("no replica has confirmed it")

// confirmed is a command, and WAIT: an error if the replica does not say that it has it.
func confirmed(ctx context.Context, c *respConn, command []string) error {
	if _, err := c.do(ctx, command...); err != nil {
		return err
	}
	n, err := c.do(ctx, "wait", "1", "200") // ms
	if err == nil && n != 1 {
		err = errUnreplicated
	}
	return err
}
