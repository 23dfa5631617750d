package machines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/rigs/machines/server"
	"example.com/hale/sockopt"
)

// A watched is a connection to a server whose machine something happens to.
type watched struct {
	state     string
	keepAlive sockopt.KeepAlive
	port      int
	quiet     time.Duration              // between the greeting and the event
	before    func(*hale.Conn)           // what is done on it meanwhile, until it fails
	write     time.Duration              // a write, that long after the event; negative is none
	most      time.Duration              // from the event to the verdict
	least     time.Duration              //
	causes    []health.Cause             // what it may be called; empty is a silence
	known     func(*hale.Conn) (ok bool) // whether the kernel can keep the promise in that state
}

const never = -1

func fill(c *hale.Conn) {
	for b := make([]byte, 32<<10); ; {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// paced reports whether the kernel can be told how often to ask while data is in
// flight, or a window shut: Linux 6.15 and newer.
func paced(c *hale.Conn) bool { return c.Report().Got.Pace > 0 }

// within are the states of a connection with a promise. docs/linux.md has what can
// be promised of a shut window.
func within(d time.Duration) (list []watched) {
	k := sockopt.Within(d)
	for _, phase := range []time.Duration{0, 300 * time.Millisecond, 700 * time.Millisecond} {
		list = append(list, watched{state: "idle", keepAlive: k, port: server.Greeter, quiet: 5*time.Second + phase, write: never, most: d})
	}
	return append(list,
		watched{state: "request in flight", keepAlive: k, port: server.Greeter, quiet: 5 * time.Second, write: 0, most: d},
		watched{state: "written to when silent already", keepAlive: k, port: server.Greeter, quiet: 5 * time.Second, write: d / 4, most: d},
		watched{state: "stalled", keepAlive: k, port: server.Deaf, quiet: 5 * time.Second, before: fill, write: never,
			most: max(d, 3700*time.Millisecond), known: paced},
		watched{state: "slow reader", keepAlive: k, port: server.Slow, quiet: 5 * time.Second, before: fill, write: never,
			most: max(d, 3700*time.Millisecond), known: paced},
	)
}

var everyPromise = []time.Duration{3 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}

// allWithin are the states of connections with promises.
func allWithin(promises []time.Duration) (list []watched) {
	for _, d := range promises {
		list = append(list, within(d)...)
	}
	return list
}

func (w watched) name() string {
	if w.keepAlive.Within > 0 {
		return fmt.Sprintf("Within(%v), %s", w.keepAlive.Within, w.state)
	}
	return w.state
}

// A noticing is a watched connection, made.
type noticing struct {
	watched
	conn    *hale.Conn
	suspect chan time.Time

	promised  bool          // or this kernel cannot keep the promise in that state
	took      time.Duration // to the verdict; 0 if there was none
	suspected time.Duration // 0 if it was not
	cause     health.Cause
}

// notice makes the connections, has the event happen when each has been quiet for as
// long as it should be, and waits for all verdicts.
func notice(t *testing.T, m *machine, experiment string, list []watched, event func() (happened time.Time)) {
	t.Helper()
	made := dialAll(t, m, list)
	await(t, experiment, made, event())
}

// await waits for all verdicts.
func await(t *testing.T, experiment string, made []*noticing, happened time.Time) {
	t.Helper()
	var wg sync.WaitGroup
	for _, n := range made {
		wg.Go(func() { n.await(t, happened) })
	}
	wg.Wait()
	tell(experiment, made)
}

// dialAll makes the connections, and returns when each has been quiet for as long as it
// should be.
func dialAll(t *testing.T, m *machine, list []watched) (made []*noticing) {
	t.Helper()
	longest := slices.MaxFunc(list, func(a, b watched) int { return int(a.quiet - b.quiet) }).quiet
	made = make([]*noticing, len(list))
	due := time.Now().Add(longest + time.Second)
	var wg sync.WaitGroup
	for i, w := range list {
		wg.Go(func() {
			time.Sleep(time.Until(due.Add(-w.quiet)))
			made[i] = w.dial(t, m)
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	time.Sleep(time.Until(due))
	for _, n := range made {
		if err := n.conn.Err(); err != nil {
			t.Errorf("%s: died before anything happened: %v", n.name(), err)
		}
	}
	return made
}

// survive has the event happen, and fails the test for each connection that was taken
// for dead, or is suspect after a while.
func survive(t *testing.T, experiment, what string, made []*noticing, event func()) {
	t.Helper()
	happened := time.Now()
	var wg sync.WaitGroup
	for _, n := range made {
		if n.write >= 0 {
			wg.Go(func() {
				time.Sleep(time.Until(happened.Add(n.write)))
				if _, err := n.conn.Write(make([]byte, 1000)); err != nil {
					t.Errorf("%s: %v", n.name(), err)
				}
			})
		}
	}
	event()
	wg.Wait()
	time.Sleep(recovery)
	var lost, suspected int
	for _, n := range made {
		if err := n.conn.Err(); err != nil || n.conn.State() != health.Alive {
			lost++
			t.Errorf("%s: %v %v", n.name(), n.conn.State(), err)
		}
		suspected += len(n.suspect)
	}
	table.add(experiment, fmt.Sprintf("%d connections, Within(%v) and more: %s", len(made), made[0].keepAlive.Within, what),
		"no death", fmt.Sprintf("%d deaths, %d suspected meanwhile", lost, suspected))
}

// tell puts what was measured into the table, those of one state together.
func tell(experiment string, made []*noticing) {
	for len(made) > 0 {
		n := made[0]
		same := slices.IndexFunc(made, func(other *noticing) bool { return other.name() != n.name() })
		if same < 0 {
			same = len(made)
		}
		table.add(experiment, n.name(), n.predicted(), measured(made[:same]))
		made = made[same:]
	}
}

func (n *noticing) predicted() string {
	switch {
	case !n.promised:
		return "late: this kernel has no pace"
	case n.least > 0:
		return seconds(n.least) + " to " + seconds(n.most)
	}
	return "at most " + seconds(n.most)
}

func measured(same []*noticing) string {
	byTime := func(a, b *noticing) int { return int(a.took - b.took) }
	least, most := slices.MinFunc(same, byTime), slices.MaxFunc(same, byTime)
	if least.took == 0 {
		return "not noticed"
	}
	s := seconds(most.took)
	if least != most {
		s = fmt.Sprintf("%.2f to %s", least.took.Seconds(), s)
	}
	s += ", " + most.cause.String()
	if most.suspected > 0 {
		s += ", suspect after " + seconds(most.suspected)
	}
	return s
}

func (w watched) dial(t *testing.T, m *machine) *noticing {
	n := &noticing{watched: w, suspect: make(chan time.Time, 1)}
	d := hale.Dialer{KeepAlive: w.keepAlive, Observer: &hale.Observer{Suspect: func(hale.SuspectInfo) {
		select {
		case n.suspect <- time.Now():
		default:
		}
	}}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", m.port(w.port))
	if err != nil {
		t.Error(err)
		return n
	}
	t.Cleanup(func() { c.Close() })
	n.conn = c.(*hale.Conn)
	if _, err := io.ReadFull(c, make([]byte, len(server.Greeting))); err != nil {
		t.Error(err)
	}
	if w.before != nil {
		go w.before(n.conn)
	}
	return n
}

// await waits for the verdict and judges it.
func (n *noticing) await(t *testing.T, happened time.Time) {
	if n.write >= 0 {
		time.Sleep(time.Until(happened.Add(n.write)))
		if _, err := n.conn.Write(make([]byte, 1000)); err != nil && !health.IsDead(err) {
			t.Errorf("%s: %v", n.name(), err)
		}
	}
	n.promised = n.known == nil || n.known(n.conn)
	const patience = 10 * time.Second
	select {
	case <-n.conn.Done():
	case <-time.After(time.Until(happened.Add(n.most + patience))):
		if n.promised {
			t.Errorf("%s: not noticed in %v", n.name(), time.Since(happened))
		}
		return
	}
	dead, ok := errors.AsType[*health.DeadError](n.conn.Err())
	if !ok {
		t.Errorf("%s: %v", n.name(), n.conn.Err())
		return
	}
	n.took, n.cause = dead.Detected.Sub(happened), dead.Cause
	select {
	case at := <-n.suspect:
		n.suspected = at.Sub(happened)
	default:
	}
	n.judge(t, dead)
}

func (n *noticing) judge(t *testing.T, dead *health.DeadError) {
	if n.promised && (n.took > n.most || n.took < n.least) {
		t.Errorf("%s: noticed after %v, want %s", n.name(), n.took, n.predicted())
	}
	if len(n.causes) == 0 && !dead.Cause.Silent() || len(n.causes) > 0 && !slices.Contains(n.causes, dead.Cause) {
		t.Errorf("%s: %v: %+v", n.name(), dead, dead.Info)
	}
	if _, err := n.conn.Read(make([]byte, 1)); health.Classify(err) != dead.Cause {
		t.Errorf("%s: a read afterwards: %v", n.name(), err)
	}
}

// paused is the event of most experiments. The machine stands still before the
// monitor says so, and after it was asked.
func paused(m *machine) func() time.Time {
	return func() time.Time {
		happened := time.Now()
		m.pause()
		return happened
	}
}

func TestAServerWhoseMachineIsPausedIsNoticed(t *testing.T) {
	need(t, quick)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	promises := everyPromise
	if *setFlag == quick {
		promises = everyPromise[:2]
	} else {
		t.Parallel()
	}
	notice(t, m, "paused, server on "+m.release(), allWithin(promises), paused(m))
}

// The experiment that hale comes from, with its settings: 30.6 and 60.3 s on Windows.
func TestTheExperimentOfTheArticle(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	numbers := func(idle, interval time.Duration, count int) sockopt.KeepAlive {
		return sockopt.KeepAlive{Idle: idle, Interval: interval, Count: count}
	}
	// Linux' timers are late by up to an eighth, and this process by a tenth of a second.
	late := func(d time.Duration) time.Duration { return d + d/8 + 100*time.Millisecond }
	s := time.Second
	notice(t, m, "the article's", []watched{
		{state: "1/3/10, paused 12 s after the data", keepAlive: numbers(s, 3*s, 10), port: server.Greeter, quiet: 12 * s,
			write: never, least: 30*s - 100*time.Millisecond, most: late(31 * s)},
		{state: "20/50/1, paused 10 s after the data", keepAlive: numbers(20*s, 50*s, 1), port: server.Greeter, quiet: 10 * s,
			write: never, least: 60*s - 100*time.Millisecond, most: late(60 * s)},
	}, paused(m))
}

// Until the machine is up again it is silent; then it knows of no connection, and
// says so to whoever asks.
func TestAServerWhoseMachineRebootsIsNoticed(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	list := allWithin(everyPromise)
	for i := range list {
		list[i].causes = []health.Cause{health.KeepAliveTimeout, health.SendTimeout, health.Unreachable, health.Reset}
	}
	notice(t, m, "rebooted", list, func() time.Time {
		happened := time.Now()
		m.do("system_reset", nil)
		return happened
	})
}

func TestAServerWhoseMachineIsSwitchedOffIsNoticed(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	notice(t, m, "switched off", allWithin(everyPromise), func() time.Time {
		happened := time.Now()
		m.off()
		return happened
	})
}

const everyState = "in every state"

// What comes back before the promise is over lives, in whatever state it was.
func TestAServerWhoseMachineGoesOnIsNotTakenForDead(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	t.Parallel()
	for _, pause := range []struct {
		d        time.Duration
		promises []time.Duration
	}{
		{time.Second, everyPromise},
		{6 * time.Second, everyPromise[2:]},
	} {
		made := dialAll(t, m, allWithin(pause.promises))
		survive(t, fmt.Sprintf("paused for %v, and resumed", pause.d), everyState, made, func() { pauseFor(m, pause.d) })
	}
}

func TestAServerWhoseMachineIsMigratedIsNotTakenForDead(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	move := m.mover()
	t.Parallel()
	survive(t, "migrated live", everyState, dialAll(t, m, allWithin(everyPromise)), move)
}

// What a machine that is put back to a snapshot knows is old: a connection of which
// nothing was said since goes on, one that has got on since is answered no more, and one
// that has been made since it has never heard of.
func TestAServerWhoseMachineIsPutBackToASnapshotIsNoticed(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}, options: snapshots(t, "notice")})
	m.serves()
	t.Parallel()
	var same, further, newer []watched
	for _, d := range everyPromise {
		w := watched{keepAlive: sockopt.Within(d), port: server.Greeter, quiet: 5 * time.Second, write: never, most: d}
		w.state = "idle, nothing said since"
		same = append(same, w)
		w.state = "idle, something said since"
		further = append(further, w)
		w.state, w.write = "in flight, something said since", 100*time.Millisecond
		further = append(further, w)
		w.state, w.write, w.quiet, w.causes = "made since", never, time.Second, []health.Cause{health.Reset}
		newer = append(newer, w)
	}
	made := dialAll(t, m, slices.Concat(same, further))
	m.human("savevm one")
	live, die := made[:len(same)], made[len(same):]
	die = append(die, dialAll(t, m, newer)...)
	for _, n := range die {
		if _, err := n.conn.Write(make([]byte, 1000)); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(time.Second)
	happened := time.Now()
	m.human("loadvm one")
	const experiment = "put back to a snapshot"
	await(t, experiment, die, happened)
	survive(t, experiment, "idle, nothing said since", live, func() {})
}
