package machines

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/rigs/machines/server"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// A trial is a pool under load, while something happens to its server's machine.
type trial struct {
	t       *testing.T
	m       *machine
	workers int
	promise time.Duration

	pool    *pool.Pool[net.Conn]
	replied atomic.Int64 // when the last good reply came, Unix nanoseconds

	mu      sync.Mutex // guards what follows
	deaths  map[health.Cause]int
	began   []pool.Outage
	beganAt []time.Time
	over    []pool.Outage
	overAt  []time.Time

	result     loadtest.Result
	duplicated string
}

const conns = 8

// load runs a pool under load while events happen. When they are over it looks at
// what must never be: a reply that went to another, a request that was run twice, a
// dead connection that was handed out.
func load(t *testing.T, m *machine, workers int, events func(*trial)) *trial {
	t.Helper()
	r := &trial{t: t, m: m, workers: workers, promise: 5 * time.Second, deaths: make(map[health.Cause]int)}
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(r.promise), Observer: &hale.Observer{Dead: func(i hale.DeadInfo) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.deaths[i.Err.Cause]++
	}}}
	var err error
	r.pool, err = pool.New(pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", m.port(server.Requests))
		},
		MaxConns: conns, MinConns: 4, DialTimeout: 2 * time.Second,
		Observer: &pool.Observer{OutageBegin: r.outageBegin, OutageEnd: r.outageEnd},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	defer r.pool.Shutdown(ended) // it aborts what is still used
	l := loadtest.Load{
		Pauses: make([]time.Duration, workers),
		Use: func(ctx context.Context, fn func(net.Conn) error) error {
			return r.pool.Do(ctx, func(_ context.Context, c net.Conn) error { return fn(c) })
		},
		Replied: func(reply loadtest.Reply) { r.replied.Store(reply.Taken.UnixNano()) },
	}
	for i := range l.Pauses {
		// 400 requests in a second, which leaves time for others on this machine.
		l.Pauses[i] = time.Duration(workers) * time.Second / 400
	}
	running := l.Start()
	events(r)
	r.result = running.Stop(func() { r.pool.Shutdown(ended) })
	r.duplicated = account(t, m)
	t.Logf("%+v, deaths %v, run twice %q", r.result, r.deaths, r.duplicated)
	if r.result.Crossed > 0 || r.result.DeadHandedOut > 0 || r.duplicated != "0" {
		t.Errorf("crossed %d, dead ones handed out %d, run twice %s", r.result.Crossed, r.result.DeadHandedOut, r.duplicated)
	}
	if r.result.Replied == 0 {
		t.Error("no reply at all")
	}
	return r
}

// account asks the server how many requests have come twice.
func account(t *testing.T, m *machine) string {
	c, err := net.DialTimeout("tcp", m.port(server.Account), 5*time.Second)
	if err != nil {
		t.Error(err)
		return "unknown"
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func (r *trial) outageBegin(o pool.Outage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began, r.beganAt = append(r.began, o), append(r.beganAt, time.Now())
}

func (r *trial) outageEnd(o pool.Outage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over, r.overAt = append(r.over, o), append(r.overAt, time.Now())
}

// pauseFor pauses the machine for d. first is when the first reply came after that.
func (r *trial) pauseFor(d time.Duration) (from, until time.Time) {
	from = time.Now()
	r.m.pause()
	time.Sleep(d)
	until = time.Now()
	r.m.resume()
	return from, until
}

// reply waits for the first good reply after a moment, and returns how long that took.
func (r *trial) reply(after time.Time) time.Duration {
	for end := after.Add(20 * time.Second); r.replied.Load() < after.UnixNano(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Errorf("no reply in 20 s")
			break
		}
	}
	return time.Since(after)
}

// silent fails the test for a request that failed or a connection that died of
// anything but a silence.
func (r *trial) silent() {
	for cause, n := range r.deaths {
		if !cause.Silent() {
			r.t.Errorf("%d connections died of %v", n, cause)
		}
	}
	for cause, n := range r.result.Causes {
		if !cause.Silent() {
			r.t.Errorf("%d requests failed of %v", n, cause)
		}
	}
	if r.result.Failed > conns {
		r.t.Errorf("%d requests failed, on %d connections", r.result.Failed, conns)
	}
	if r.result.Unanswered > 0 {
		r.t.Errorf("%d requests had no answer when the load ended", r.result.Unanswered)
	}
}

// outage fails the test unless there was one, of the given time, noticed as promised.
func (r *trial) outage(experiment string, from, until time.Time, first time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.began) != 1 || len(r.over) != 1 {
		r.t.Errorf("%d outages begun and %d ended, want one: %v %v", len(r.began), len(r.over), r.began, r.over)
		return
	}
	o, told, ended := r.over[0], r.beganAt[0].Sub(from), r.overAt[0].Sub(until)
	table.add(experiment, r.what(), "told of in "+seconds(r.promise)+", over with the first reply", fmt.Sprintf(
		"told of after %s, over %s after the machine went on, first reply after %s; %d of %d requests failed, 0 crossed, 0 run twice",
		seconds(told), seconds(ended), seconds(first), r.result.Failed, r.result.Requests))
	// The silence is counted from the last sign of life, which may have come on a
	// connection that was idle.
	if silence := from.Sub(o.Began); silence < -200*time.Millisecond || silence > r.promise/2 {
		r.t.Errorf("the outage is said to have begun %v before the machine stood still", silence)
	}
	if told > r.promise || told < 0 {
		r.t.Errorf("the outage was told of after %v, promised %v", told, r.promise)
	}
	// A dial that was under way asks again after 1 s at the latest, and then there
	// is an address to be asked for.
	const again = 2500 * time.Millisecond
	if ended < 0 || ended > again || first > again {
		r.t.Errorf("the outage ended %v after the machine went on, the first reply came after %v", ended, first)
	}
	if !o.Healed || !o.Began.Before(o.Ended) || o.Death == nil || !o.Death.Cause.Silent() {
		r.t.Errorf("%+v", o)
	}
}

func (r *trial) what() string {
	return fmt.Sprintf("pool of %d, %d workers, Within(%v)", conns, r.workers, r.promise)
}

// untouched fails the test if anybody was told of anything.
func (r *trial) untouched(experiment string, first time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	table.add(experiment, r.what(), "nothing", fmt.Sprintf("%d of %d requests failed, first reply after %s, longest wait %s",
		r.result.Failed, r.result.Requests, seconds(first), seconds(r.result.LongestStall)))
	if r.result.Failed > 0 || r.result.Unanswered > 0 || len(r.deaths) > 0 || len(r.began) > 0 {
		r.t.Errorf("%+v, deaths %v, outages %v", r.result, r.deaths, r.began)
	}
}

// calm is the load before and after what happens.
const calm = 3 * time.Second

func TestAPoolOutlivesItsServersPause(t *testing.T) {
	need(t, quick)
	for _, workers := range []int{16, 64} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			m := start(t, spec{kernel: usual, role: []string{"serve"}})
			m.serves()
			t.Parallel()
			var from, until time.Time
			var first time.Duration
			r := load(t, m, workers, func(r *trial) {
				time.Sleep(calm)
				from, until = r.pauseFor(8 * time.Second)
				first = r.reply(until)
				time.Sleep(calm)
			})
			r.silent()
			r.outage("paused for 8 s, under load", from, until, first)
		})
	}
}

func TestAPauseShorterThanThePromiseIsNoOutage(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	var first time.Duration
	r := load(t, m, 16, func(r *trial) {
		for _, d := range []time.Duration{time.Second, 2 * time.Second} {
			time.Sleep(calm)
			_, until := r.pauseFor(d)
			first = max(first, r.reply(until))
		}
		time.Sleep(calm)
	})
	r.untouched("paused for 1 and 2 s, under load", first)
}

func TestAPoolOutlivesAReboot(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	var first time.Duration
	r := load(t, m, 16, func(r *trial) {
		time.Sleep(calm)
		from := time.Now()
		m.do("system_reset", nil)
		first = r.reply(from)
		time.Sleep(calm)
	})
	if r.result.Failed > conns || r.result.Unanswered > 0 || len(r.began) > 1 || len(r.over) != len(r.began) {
		t.Errorf("%+v, %v %v", r.result, r.began, r.over)
	}
	table.add("rebooted, under load", r.what(), "served again when the machine is", fmt.Sprintf(
		"first reply after %s; %d of %d requests failed, deaths %v, 0 crossed", seconds(first), r.result.Failed, r.result.Requests, r.deaths))
}

// What a machine that is put back to a snapshot knows of its connections is old: it
// answers nothing that has been said since.
func TestAPoolOutlivesASnapshot(t *testing.T) {
	need(t, all)
	needProgram(t, "qemu-img", "qemu-utils")
	disk := workFile("snapshot.qcow2")
	run(t, "/", nil, "qemu-img", "create", "-q", "-f", "qcow2", disk, "1G")
	m := start(t, spec{kernel: usual, role: []string{"serve"},
		options: []string{"-drive", "if=none,id=disk,format=qcow2,file=" + disk}})
	m.serves()
	t.Parallel()
	human := func(line string) {
		if out := m.do("human-monitor-command", map[string]any{"command-line": line}); out != `""` {
			t.Errorf("%s: %s", line, out)
		}
	}
	var back time.Time
	r := load(t, m, 16, func(r *trial) {
		time.Sleep(calm)
		human("savevm one")
		time.Sleep(calm)
		back = time.Now()
		human("loadvm one")
		loaded := time.Now()
		time.Sleep(r.promise + calm)
		r.reply(loaded)
		time.Sleep(calm)
	})
	r.silent()
	if len(r.over) != len(r.began) {
		t.Errorf("outages begun %v, ended %v", r.began, r.over)
	}
	told := "no outage"
	if len(r.beganAt) > 0 {
		told = "told of after " + seconds(r.beganAt[0].Sub(back)) + ", over after " + seconds(r.overAt[0].Sub(back))
	}
	table.add("put back to a snapshot, under load", r.what(), "silence", fmt.Sprintf(
		"%s; %d of %d requests failed, deaths %v, 0 crossed", told, r.result.Failed, r.result.Requests, r.deaths))
}

func TestALiveMigrationIsNotNoticed(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	socket := "unix:" + workFile("migration.sock")
	target := start(t, spec{kernel: usual, role: []string{"serve"}, address: m.address, options: []string{"-incoming", socket}})
	t.Parallel()
	r := load(t, m, 16, func(r *trial) {
		time.Sleep(calm)
		m.do("migrate", map[string]any{"uri": socket})
		eventually(t, 60*time.Second, "the machine has moved", func() bool {
			return target.running()
		})
		r.reply(time.Now())
		time.Sleep(calm)
	})
	if m.running() {
		t.Error("the machine runs where it came from")
	}
	r.untouched("migrated live, under load", r.result.LongestStall)
}
