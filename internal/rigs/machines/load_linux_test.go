package machines

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/rigs/machines/server"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
	"example.com/hale/sockopt"
)

// A target is what is under load.
type target struct {
	name    string
	workers int
	hold    time.Duration // how long a worker keeps a connection beyond its request
	cluster bool          // of the machine and of a server that nothing happens to
}

// The targets, one for each lane of a server. Each sends some 200 requests in a second,
// which leaves time for others on this machine.
var targets = [server.Lanes]target{
	{name: "pool of 8, 16 workers", workers: 16},
	{name: "pool of 8, 64 workers that all want one", workers: 64, hold: 40 * time.Millisecond},
	{name: "cluster of 8, 16 workers, the machine and another server", workers: 16, cluster: true},
}

const (
	rate        = 200 // requests in a second
	conns       = 8
	poolPromise = 5 * time.Second
)

// A trial is a target, while something happens to its server's machine.
type trial struct {
	target
	t       *testing.T
	address string // of the machine
	other   string // of the other server, "" if there is none
	lane    int

	use      func(context.Context, func(net.Conn) error) error
	shutdown func(context.Context) (int, error)
	replied  atomic.Int64 // when the machine's last good reply came, Unix nanoseconds
	first    time.Time    // of its first after what had happened

	mu      sync.Mutex           // guards what follows
	deaths  map[health.Cause]int // of connections to the machine
	amiss   int                  // deaths and outages of the other server
	began   []pool.Outage        // of the machine
	beganAt []time.Time
	over    []pool.Outage
	overAt  []time.Time

	result loadtest.Result
	twice  int // requests that arrived twice, wherever that was
}

// trials are all targets at one machine.
type trials []*trial

// load has all targets under load while events happen. When they are over it looks at
// what must never be: a reply that went to another, a request that was run twice, a
// dead connection that was handed out.
func load(t *testing.T, m *machine, events func(trials)) trials {
	t.Helper()
	var list trials
	for lane, target := range targets {
		r := &trial{target: target, t: t, address: m.address, lane: lane, deaths: make(map[health.Cause]int)}
		if target.cluster {
			r.other = otherServer(t)
		}
		r.make()
		list = append(list, r)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	running := make([]*loadtest.Run, len(list))
	for i, r := range list {
		defer r.shutdown(ended) // it aborts what is still used
		running[i] = r.load().Start()
	}
	events(list)
	var wg sync.WaitGroup
	for i, r := range list {
		wg.Go(func() { r.result = running[i].Stop(func() { r.shutdown(ended) }) })
	}
	wg.Wait()
	for _, r := range list {
		r.account()
	}
	return list
}

// otherServer starts a server to which nothing happens, and returns its address.
func otherServer(t *testing.T) (host string) {
	t.Helper()
	host = fmt.Sprintf("10.9.0.%d", 10+machines.Add(1))
	ip(t, "addr add "+host+"/32 dev bridge")
	s, err := server.Serve(host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		ip(t, "addr del "+host+"/32 dev bridge")
	})
	return host
}

// port is an address with a port of the trial's lane.
func (r *trial) port(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port+r.lane*server.NextLane))
}

func (r *trial) make() {
	if r.cluster {
		r.makeCluster()
		return
	}
	address := r.port(r.address, server.Requests)
	config := r.config()
	config.Dial = func(ctx context.Context) (net.Conn, error) { return r.dial(ctx, address) }
	config.MaxConns, config.Observer = conns, r.observer(address)
	p, err := pool.New(config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.shutdown = p.Shutdown
	r.use = func(ctx context.Context, fn func(net.Conn) error) error {
		return p.Do(ctx, func(_ context.Context, c net.Conn) error { return fn(c) })
	}
}

func (r *trial) makeCluster() {
	c, err := cluster.New(cluster.Config[net.Conn]{
		Resolve:      cluster.Static(r.port(r.address, server.Requests), r.port(r.other, server.Requests)),
		Dial:         func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) { return r.dial(ctx, e.Address) },
		Pool:         r.config(),
		PoolObserver: func(e cluster.Endpoint) *pool.Observer { return r.observer(e.Address) },
		MaxConns:     conns,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.shutdown = c.Shutdown
	r.use = func(ctx context.Context, fn func(net.Conn) error) error {
		return c.Do(ctx, func(_ context.Context, c net.Conn) error { return fn(c) })
	}
}

// config is what a pool and those of a cluster have in common.
func (r *trial) config() pool.Config[net.Conn] {
	return pool.Config[net.Conn]{MinConns: 4, DialTimeout: 2 * time.Second}
}

func (r *trial) dial(ctx context.Context, address string) (net.Conn, error) {
	d := &hale.Dialer{KeepAlive: sockopt.Within(poolPromise), Observer: &hale.Observer{Dead: func(i hale.DeadInfo) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.machines(address) {
			r.deaths[i.Err.Cause]++
		} else {
			r.amiss++
		}
	}}}
	return d.DialContext(ctx, "tcp", address)
}

// machines reports whether an address is one of the machine.
func (r *trial) machines(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && host == r.address
}

func (r *trial) observer(address string) *pool.Observer {
	if !r.machines(address) {
		return &pool.Observer{OutageBegin: func(pool.Outage) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.amiss++
		}}
	}
	return &pool.Observer{
		OutageBegin: func(o pool.Outage) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.began, r.beganAt = append(r.began, o), append(r.beganAt, time.Now())
		},
		OutageEnd: func(o pool.Outage) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.over, r.overAt = append(r.over, o), append(r.overAt, time.Now())
		},
	}
}

func (r *trial) load() loadtest.Load {
	l := loadtest.Load{
		Pauses: make([]time.Duration, r.workers),
		Use: func(ctx context.Context, fn func(net.Conn) error) error {
			return r.use(ctx, func(c net.Conn) error {
				err := fn(c)
				time.Sleep(r.hold)
				return err
			})
		},
		Replied: func(reply loadtest.Reply) {
			if r.machines(reply.Conn.RemoteAddr().String()) {
				r.replied.Store(reply.Taken.UnixNano())
			}
		},
	}
	for i := range l.Pauses {
		l.Pauses[i] = time.Duration(r.workers) * time.Second / rate
		if r.hold > 0 { // it is this that bounds them
			l.Pauses[i] = time.Millisecond
		}
	}
	return l
}

// account looks at what must never be.
func (r *trial) account() {
	seen := make(map[uint64]bool)
	for _, host := range []string{r.address, r.other} {
		if host == "" {
			continue
		}
		arrived, err := r.arrived(host)
		if err != nil {
			r.t.Error(err)
		}
		r.twice += arrived.Twice
		for _, number := range arrived.Numbers {
			if seen[number] {
				r.twice++
			}
			seen[number] = true
		}
	}
	r.t.Logf("%s: %+v, deaths %v, run twice %d", r.name, r.result, r.deaths, r.twice)
	if r.result.Crossed > 0 || r.result.DeadHandedOut > 0 || r.twice > 0 {
		r.t.Errorf("%s: crossed %d, dead ones handed out %d, run twice %d", r.name, r.result.Crossed, r.result.DeadHandedOut, r.twice)
	}
	if r.result.Replied == 0 || r.amiss > 0 {
		r.t.Errorf("%s: %d replies, %d deaths and outages of the other server", r.name, r.result.Replied, r.amiss)
	}
}

// arrived asks a server for the requests that it has seen.
func (r *trial) arrived(host string) (a server.Arrived, err error) {
	c, err := net.DialTimeout("tcp", r.port(host, server.Account), 5*time.Second)
	if err != nil {
		return a, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return a, err
	}
	return a, json.NewDecoder(c).Decode(&a)
}

// pauseFor pauses a machine for d.
func pauseFor(m *machine, d time.Duration) (from, until time.Time) {
	from = time.Now()
	m.pause()
	time.Sleep(d)
	until = time.Now()
	m.resume()
	return from, until
}

// reply waits until every target has had a good reply of the machine's after a moment.
func (l trials) reply(after time.Time) {
	var wg sync.WaitGroup
	for _, r := range l {
		wg.Go(func() { r.reply(after) })
	}
	wg.Wait()
}

func (r *trial) reply(after time.Time) {
	const most = 40 * time.Second // a machine that boots beside others
	for end := time.Now().Add(most); r.replied.Load() < after.UnixNano(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Errorf("%s: no reply in %v", r.name, most)
			break
		}
	}
	r.first = time.Now()
}

// An expectation is what the targets have to meet, of what happened at a moment.
type expectation struct {
	experiment string
	predicted  string
	from       time.Time
	until      time.Time // the machine is there again; zero is the moment of the first reply
	causes     []health.Cause
	none       bool // not even an outage has to be
}

// again is how long after the machine is there it may take until that is known: a dial
// that was under way asks again after 1 s at the latest, and then there is an address
// to be asked for.
const again = 2500 * time.Millisecond

// meet judges what became of each target, and puts it into the table.
func (l trials) meet(e expectation) {
	for _, r := range l {
		r.meet(e)
	}
}

func (r *trial) meet(e expectation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.judgeRequests(e)
	said := "no outage"
	switch {
	case len(r.began) == 1 && len(r.over) == 1:
		said = r.judgeOutage(e)
	case !e.none || len(r.began) != len(r.over):
		r.t.Errorf("%s: outages begun %v and ended %v, want one", r.name, r.began, r.over)
	}
	table.add(e.experiment, r.name, e.predicted, fmt.Sprintf(
		"%s; %d of %d requests failed, longest wait %s; %d crossed, %d run twice",
		said, r.result.Failed, r.result.Requests, seconds(r.result.LongestStall), r.result.Crossed, r.twice))
}

// judgeRequests: what failed was under way when it happened, and is called by its name.
func (r *trial) judgeRequests(e expectation) {
	may := func(cause health.Cause) bool {
		for _, c := range e.causes {
			if c == cause {
				return true
			}
		}
		return cause.Silent()
	}
	for cause, n := range r.deaths {
		if !may(cause) {
			r.t.Errorf("%s: %d connections died of %v", r.name, n, cause)
		}
	}
	for cause, n := range r.result.Causes {
		if !may(cause) {
			r.t.Errorf("%s: %d requests failed of %v", r.name, n, cause)
		}
	}
	if r.result.Failed > conns || r.result.Unanswered > 0 {
		r.t.Errorf("%s: %d requests failed, on %d connections; %d had no answer when the load ended", r.name, r.result.Failed, conns, r.result.Unanswered)
	}
	if most := poolPromise + time.Second; r.cluster && r.result.LongestStall > most {
		r.t.Errorf("%s: a worker waited for %v, while there was another server", r.name, r.result.LongestStall)
	}
}

// judgeOutage: it is told of as promised, begins with the silence, and ends with the
// healing. The caller holds r.mu.
func (r *trial) judgeOutage(e expectation) (said string) {
	o, told := r.over[0], r.beganAt[0].Sub(e.from)
	// The silence is counted from the last sign of life, which may have come on a
	// connection that was idle.
	if silence := e.from.Sub(o.Began); silence < -200*time.Millisecond || silence > poolPromise/2 {
		r.t.Errorf("%s: the outage is said to have begun %v before the machine fell silent", r.name, silence)
	}
	if told > poolPromise || told < 0 {
		r.t.Errorf("%s: the outage was told of after %v, promised %v", r.name, told, poolPromise)
	}
	if !o.Healed || !o.Began.Before(o.Ended) || o.Death == nil && o.Dial == nil {
		r.t.Errorf("%s: %+v", r.name, o)
	}
	until, earliest := e.until, time.Duration(0)
	if until.IsZero() {
		until, earliest = r.first, -again // the reply, or the dial before it, is what ends it
	}
	if until.Before(r.beganAt[0]) {
		until = r.beganAt[0] // it answers whoever dials, and nobody has yet
	}
	ended, first := r.overAt[0].Sub(until), r.first.Sub(until)
	if ended < earliest || ended > again || first > again {
		r.t.Errorf("%s: the outage ended %v after the machine was there again, the first reply came after %v", r.name, ended, first)
	}
	if e.until.IsZero() {
		return fmt.Sprintf("told of after %s, over after %s, first reply after %s",
			seconds(told), seconds(r.overAt[0].Sub(e.from)), seconds(r.first.Sub(e.from)))
	}
	return fmt.Sprintf("told of after %s, over %s after the machine was there, first reply %s after",
		seconds(told), seconds(r.overAt[0].Sub(e.until)), seconds(r.first.Sub(e.until)))
}

// untouched fails the test if anybody was told of anything.
func (l trials) untouched(experiment string) {
	for _, r := range l {
		r.mu.Lock()
		table.add(experiment, r.name, "nothing", fmt.Sprintf("%d of %d requests failed, longest wait %s",
			r.result.Failed, r.result.Requests, seconds(r.result.LongestStall)))
		if r.result.Failed > 0 || r.result.Unanswered > 0 || len(r.deaths) > 0 || len(r.began) > 0 {
			r.t.Errorf("%s: %+v, deaths %v, outages %v", r.name, r.result, r.deaths, r.began)
		}
		r.mu.Unlock()
	}
}

// calm is the load before and after what happens.
const calm = 3 * time.Second

const asPromised = "told of within 5 s, over with the first reply"

func TestAPoolOutlivesItsServersPause(t *testing.T) {
	need(t, quick)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	e := expectation{experiment: "under load: paused for 8 s", predicted: asPromised}
	list := load(t, m, func(l trials) {
		time.Sleep(calm)
		e.from, e.until = pauseFor(m, 8*time.Second)
		l.reply(e.until)
		time.Sleep(calm)
	})
	list.meet(e)
}

func TestAPauseShorterThanThePromiseIsNoOutage(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	list := load(t, m, func(l trials) {
		for _, d := range []time.Duration{time.Second, 2 * time.Second} {
			time.Sleep(calm)
			_, until := pauseFor(m, d)
			l.reply(until)
		}
		time.Sleep(calm)
	})
	list.untouched("under load: paused for 1 and 2 s")
}

// Until the machine is up again it is silent; then it knows of no connection.
func TestAPoolOutlivesAReboot(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	e := expectation{experiment: "under load: rebooted", predicted: asPromised + ", or a reset", none: true,
		causes: []health.Cause{health.Reset, health.Unreachable}}
	list := load(t, m, func(l trials) {
		time.Sleep(calm)
		e.from = time.Now()
		m.do("system_reset", nil)
		l.reply(e.from.Add(time.Second)) // what was under way comes before
		time.Sleep(calm)
	})
	list.meet(e)
}

// The machine that comes up in its place is another one, which knows of no connection.
func TestAPoolOutlivesItsServersEnd(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	e := expectation{experiment: "under load: switched off, and another in its place after 10 s", predicted: asPromised,
		causes: []health.Cause{health.Reset, health.Unreachable}}
	list := load(t, m, func(l trials) {
		time.Sleep(calm)
		e.from = time.Now()
		m.off()
		time.Sleep(10 * time.Second)
		start(t, spec{kernel: usual, role: []string{"serve"}, address: m.address}).serves()
		l.reply(e.from.Add(poolPromise))
		time.Sleep(calm)
	})
	list.meet(e)
}

// What a machine that is put back to a snapshot knows of its connections is old: it
// answers nothing that has been said since.
func TestAPoolOutlivesASnapshot(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}, options: snapshots(t, "load")})
	m.serves()
	t.Parallel()
	e := expectation{experiment: "under load: put back to a snapshot", predicted: "silence, " + asPromised, none: true}
	list := load(t, m, func(l trials) {
		time.Sleep(calm)
		m.human("savevm one")
		time.Sleep(calm)
		e.from = time.Now()
		m.human("loadvm one")
		e.until = time.Now()
		l.reply(e.until.Add(time.Second))
		time.Sleep(calm)
	})
	list.meet(e)
}

func TestALiveMigrationIsNotNoticed(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	move := m.mover()
	t.Parallel()
	list := load(t, m, func(l trials) {
		time.Sleep(calm)
		move()
		l.reply(time.Now())
		time.Sleep(calm)
	})
	list.untouched("under load: migrated live")
}
