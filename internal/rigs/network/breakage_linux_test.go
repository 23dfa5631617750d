package network

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
)

// A breakage is one way in which a network breaks, and what hale is to make of
// it. Each is tried twice: on idle connections of a pool, and on one with a
// request under way.
type breakage struct {
	name  string
	hosts int            // in the chain; 0 is 2
	setup func(s *scene) // before there is a server; nil is nothing
	apart bool           // the server is a process of its own

	breaks  func(s *scene)
	reached bool           // the request has reached the server before; else it is sent right after
	mends   func(s *scene) // nil: nothing has to be mended for a new connection
	mended  string         // what the table calls that; "" is "by itself"

	idle, busy outcome
	dial       error // of a dial and login during it; nil if that succeeds

	// also is more to check on the connection with the request, after its
	// outcome; nil is nothing.
	also func(s *scene, c net.Conn)
}

// An outcome is what becomes of a connection.
type outcome struct {
	cause health.Cause // of its death; Unknown if it lives on
	err   error        // that the death's error matches, or, if it lives on, the request's
	when  window
	// kernel is what the kernel calls it, if that is something else. With data
	// under way the kernel and hale's own watch give a peer up within the same
	// quarter of a second, and the first one names the cause.
	kernel *outcome
}

func (o outcome) explains(dead *health.DeadError) bool {
	return dead.Cause == o.cause && errors.Is(dead, o.err) || o.kernel != nil && o.kernel.explains(dead)
}

func (b *breakage) run(t *testing.T) {
	row(b.name)
	t.Parallel()
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		b.tryIdle(t)
	})
	t.Run("busy", func(t *testing.T) {
		t.Parallel()
		b.tryBusy(t)
	})
}

// scene is the network in good order, with the server running.
func (b *breakage) scene(t *testing.T) *scene {
	t.Helper()
	s := newScene(t, max(b.hosts, 2))
	if b.setup != nil {
		b.setup(s)
	}
	if b.apart {
		s.process = startProcess(t, s.server, serverRole, s.address)
	} else {
		s.local = startServer(t, s.server, port)
	}
	return s
}

// tryIdle breaks the network under two idle connections.
func (b *breakage) tryIdle(t *testing.T) {
	s := b.scene(t)
	s.open(2)
	broke := s.breakNow(b.breaks)
	detected := broke.done
	if b.idle.cause == health.Unknown {
		s.noDeath(b.idle)
		record(b.name, columnIdle, "lives on", untimed)
		s.pool.Invalidate("the test wants others")
	} else {
		detected = b.deaths(s, broke)
	}
	v := s.visit()
	b.tryDial(s)
	if b.dial != nil {
		v.turnedAway()
	}
	b.recover(s, v, detected)
}

// deaths awaits those of both idle connections, and returns when the first one
// was detected.
func (b *breakage) deaths(s *scene, broke moment) (first time.Time) {
	s.t.Helper()
	for range 2 {
		dead := s.death(b.idle)
		b.idle.check(s.t, dead, broke)
		if first.IsZero() {
			first = dead.Detected
			record(b.name, columnIdle, dead.Cause.String(), first.Sub(broke.began))
		}
		if dead.Cause.Silent() {
			s.visit() // the other one is in doubt: nobody may get it
		}
	}
	return first
}

// tryBusy breaks the network under a connection with a request under way.
func (b *breakage) tryBusy(t *testing.T) {
	s := b.scene(t)
	s.open(1)
	held := s.acquire()
	defer held.Close()
	conn, _ := hale.From(held.Value())
	conn.SetDeadline(time.Now().Add(b.busy.when.to + 2*noise))
	if b.reached {
		if err := ask(conn, hold); err != nil {
			t.Fatal(err)
		}
	}
	broke := s.breakNow(b.breaks)
	err := b.request(conn)
	detected := time.Now()
	if b.busy.cause == health.Unknown {
		b.busy.checkAlive(t, conn, err)
		record(b.name, columnBusy, aliveText(err), untimed)
	} else {
		dead := verdict(t, conn, err)
		b.busy.check(t, dead, broke)
		detected = dead.Detected
		record(b.name, columnBusy, dead.Cause.String(), detected.Sub(broke.began))
	}
	if b.also != nil {
		b.also(s, conn)
	}
	held.Release()
	b.recover(s, s.visit(), detected)
}

// request awaits the reply to the request that is under way.
func (b *breakage) request(c net.Conn) error {
	if !b.reached {
		return ask(c, hold)
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// A moment is that of a break: what makes it takes its time.
type moment struct{ began, done time.Time }

// breakNow breaks the network, once all is quiet.
func (s *scene) breakNow(how func(s *scene)) (m moment) {
	s.settle()
	m.began = time.Now()
	how(s)
	m.done = time.Now()
	s.built()
	return m
}

// death is the next one among the idle connections.
func (s *scene) death(o outcome) *health.DeadError {
	s.t.Helper()
	patience := time.NewTimer(o.when.to + 2*noise)
	defer patience.Stop()
	select {
	case e := <-s.evicted:
		if e.Err == nil || e.InUse {
			s.t.Fatalf("an idle connection has left the pool: %+v", e)
		}
		return e.Err
	case <-patience.C:
		s.t.Fatalf("no death %v", o.when)
		return nil
	}
}

// noDeath waits for as long as a death would take.
func (s *scene) noDeath(o outcome) {
	s.t.Helper()
	patience := time.NewTimer(o.when.to + noise)
	defer patience.Stop()
	select {
	case e := <-s.evicted:
		s.t.Fatalf("a connection has left the pool: %+v", e)
	case <-patience.C:
	}
}

// verdict is why c died, which its user has read as err.
func verdict(t *testing.T, c *hale.Conn, err error) *health.DeadError {
	t.Helper()
	dead, ok := c.Err().(*health.DeadError)
	if !ok {
		t.Fatalf("request: %v; the connection is alive: %v", err, c.Err())
	}
	if closed := err == io.EOF && dead.Cause == health.PeerClosed; err != error(dead) && !closed {
		t.Errorf("request: %v, and the connection died of %v", err, dead)
	}
	return dead
}

// check compares a death with what was foretold.
func (o outcome) check(t *testing.T, dead *health.DeadError, broke moment) {
	t.Helper()
	after := dead.Detected.Sub(broke.began)
	t.Logf("%v; %.2f s after the break", dead, after.Seconds())
	if !o.explains(dead) {
		t.Errorf("it died of %v, want %v by %v", dead, o.cause, o.err)
	}
	if !strings.Contains(dead.Error(), dead.Cause.String()) || dead.Timeout() {
		t.Errorf("%q does not name its cause, or is a timeout", dead)
	}
	if after < 0 || dead.Silence < o.when.from || dead.Detected.Sub(broke.done) > o.when.to+noise {
		t.Errorf("detected after %v, with the peer silent for %v; want %v", after, dead.Silence, o.when)
	}
}

// checkAlive checks a request's error, on a connection that lives on.
func (o outcome) checkAlive(t *testing.T, c *hale.Conn, err error) {
	t.Helper()
	t.Logf("request: %v", err)
	if !errors.Is(err, o.err) || c.Err() != nil {
		t.Errorf("request: %v, want %v; connection: %v, want it alive", err, o.err, c.Err())
	}
}

func aliveText(err error) string {
	if err != nil {
		return "the caller's deadline"
	}
	return "lives on"
}

// dialPatience is for one dial and login. It is longer than it takes to find
// out that a neighbour does not answer, three times over.
const dialPatience = 2 * promise

// tryDial dials and logs in once more, while the network is broken.
func (b *breakage) tryDial(s *scene) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), dialPatience)
	defer cancel()
	start := time.Now()
	err := s.dialAndLogin(ctx)
	took := time.Since(start)
	s.t.Logf("dial: %v; after %.2f s", err, took.Seconds())
	if b.dial == errTimeout && isTimeout(err) {
		err = errTimeout
	}
	if !errors.Is(err, b.dial) {
		s.t.Errorf("dial: %v, want %v", err, b.dial)
	}
	record(b.name, columnDial, dialText(b.dial), took)
}

func (s *scene) dialAndLogin(ctx context.Context) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	_, err = login(ctx, c)
	return err
}

// errTimeout stands for the dialler's own timeout, which package net calls by
// several names.
var errTimeout = errors.New("timeout")

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

func dialText(err error) string {
	if err == nil {
		return "connects"
	}
	return err.Error()
}

// recover mends the network; the pool has to recover by itself.
func (b *breakage) recover(s *scene, v *visitor, detected time.Time) {
	s.t.Helper()
	since, text := detected, "by itself"
	if b.mends != nil {
		b.mends(s)
		since, text = time.Now(), b.mended
	}
	took := v.servedAfter(since).Sub(since)
	s.t.Logf("%s: recovered after %.2f s", text, took.Seconds())
	record(b.name, columnRecovery, text, took)
	eventually(s.t, recovery+noise, "the pool is whole", func() bool {
		stats := s.pool.Stats()
		return !stats.Down && stats.Conns >= s.config.MinConns
	})
	v.leave()
	s.close()
}
