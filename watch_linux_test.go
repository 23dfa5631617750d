//go:build linux && !hale_sweep

package hale

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

func TestAFrozenPeerIsSuspectBeforeItIsDead(t *testing.T) {
	t.Parallel()
	o, seen := observe()
	begun := time.Now() // before the last that is heard of the peer
	client, server := connect(t, &Dialer{
		KeepAlive: sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 3}, Observer: o,
	})
	frozen := time.Now()
	testnet.Freeze(t, server)
	s := seen.next(t, "suspect")
	// The first probe leaves a second after the handshake, and a little late. From
	// there on half a second without an answer.
	if s.at.Sub(begun) < time.Second || s.at.Sub(frozen) > 2200*time.Millisecond || s.info.Probes < 1 {
		t.Errorf("suspect after %v: %+v", s.at.Sub(frozen), s.info)
	}
	if s.conn != client || client.State() != health.Suspect || client.Err() != nil {
		t.Errorf("%v, %v", client.State(), client.Err())
	}
	d := seen.next(t, "dead")
	if d.at.Sub(begun) < 3850*time.Millisecond || d.at.Sub(frozen) > 4700*time.Millisecond {
		t.Errorf("dead after %v", d.at.Sub(frozen))
	}
	if d.dead.Cause != health.KeepAliveTimeout || !errors.Is(d.dead, syscall.ETIMEDOUT) || client.State() != health.Dead {
		t.Errorf("%v, %v", client.State(), d.dead)
	}
	// It has owed an answer since the first probe at the latest: with that, the
	// time of its freezing is known within the idle time.
	if owed := d.dead.Unanswered; owed < 2500*time.Millisecond || d.at.Add(-owed).Before(frozen) {
		t.Errorf("unanswered for %v, frozen %v ago", owed, d.at.Sub(frozen))
	}
	seen.empty(t)
}

func TestASuspectPeerThatAnswersHasRecovered(t *testing.T) {
	t.Parallel()
	o, seen := observe()
	client, server := connect(t, &Dialer{
		KeepAlive: sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 9}, Observer: o,
	})
	thaw := testnet.Freeze(t, server)
	seen.next(t, "suspect")
	thaw()
	thawed := time.Now()
	// The next probe brings the answer.
	r := seen.next(t, "recovered")
	if after := r.at.Sub(thawed); after > 1800*time.Millisecond || r.info.Probes != 0 || r.conn != client {
		t.Errorf("recovered after %v: %+v", after, r.info)
	}
	if client.State() != health.Alive || client.Err() != nil {
		t.Errorf("%v, %v", client.State(), client.Err())
	}
	client.Close()
	seen.next(t, "closed")
	seen.empty(t)
}

func TestAnObserverMayCloseASuspectAndOneThatHasRecovered(t *testing.T) {
	t.Parallel()
	k := sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 9}
	o, seen := observe()
	tell := o.Suspect
	o.Suspect = func(i SuspectInfo) { tell(i); i.Conn.Close() }
	_, server := connect(t, &Dialer{KeepAlive: k, Observer: o})
	testnet.Freeze(t, server)
	seen.next(t, "suspect")
	seen.next(t, "closed")

	o, seen = observe()
	told := o.Recovered
	o.Recovered = func(i RecoveredInfo) { told(i); i.Conn.Close() }
	_, server = connect(t, &Dialer{KeepAlive: k, Observer: o})
	thaw := testnet.Freeze(t, server)
	seen.next(t, "suspect")
	thaw()
	seen.next(t, "recovered")
	seen.next(t, "closed")
	alive(t)
	seen.empty(t)
}

func TestAHealthyIdleConnectionIsNeverSuspect(t *testing.T) {
	t.Parallel()
	o, seen := observe()
	d := &Dialer{KeepAlive: sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 9}, Observer: o}
	for range 50 {
		connect(t, d)
	}
	// An absence: the time of five probes, each of which is in flight once.
	time.Sleep(5200 * time.Millisecond)
	seen.empty(t)
}

func TestABusyConnectionIsNeverSuspect(t *testing.T) {
	t.Parallel()
	o, seen := observe()
	client, server := connect(t, &Dialer{KeepAlive: quick, Observer: o})
	go echo(server, 32<<10)
	bound(t, client, 20*time.Second)
	go func() {
		for buf := make([]byte, 32<<10); ; {
			if _, err := client.Write(buf); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 32<<10)
	for start := time.Now(); time.Since(start) < 3*time.Second; {
		if _, err := client.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	seen.empty(t)
}

// The kernel starts the user timeout anew for what is written into a silence
// that has lasted for most of the window already, and would take twice the
// time. The watch keeps to the window.
func TestAWriteIntoTheSilenceDoesNotProlongIt(t *testing.T) {
	t.Parallel()
	o, seen := observe()
	client, server := connect(t, &Dialer{
		KeepAlive: sockopt.KeepAlive{Idle: 2 * time.Second, Interval: time.Second, Count: 2}, Observer: o,
	})
	bound(t, client, 20*time.Second)
	frozen := time.Now()
	testnet.Freeze(t, server)
	read := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		read <- err
	}()
	s := seen.next(t, "suspect")
	// It is the lateness of this write that the test is about.
	time.Sleep(time.Until(frozen.Add(3500 * time.Millisecond)))
	if _, err := client.Write([]byte("anybody?")); err != nil {
		t.Fatal(err)
	}
	d := seen.next(t, "dead")
	if after := d.at.Sub(frozen); after < 3850*time.Millisecond || after > 4800*time.Millisecond || !s.at.Before(d.at) {
		t.Errorf("dead after %v", after)
	}
	if d.dead.Cause != health.SendTimeout || !errors.Is(d.dead, syscall.ETIMEDOUT) ||
		d.dead.Silence < 3950*time.Millisecond || d.dead.Info.Unacked != 8 {
		t.Errorf("%+v", d.dead)
	}
	waitDone(t, client)
	select {
	case err := <-read:
		if err != error(d.dead) {
			t.Errorf("the blocked Read: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the blocked Read goes on")
	}
	if _, err := client.Write([]byte("x")); err != error(d.dead) {
		t.Errorf("a later Write: %v", err)
	}
	start := time.Now()
	if err := client.Close(); err != nil || time.Since(start) > time.Second {
		t.Errorf("Close took %v: %v", time.Since(start), err)
	}
	seen.next(t, "closed")
	seen.empty(t)
}

func TestAWatchOfAConnTellsTheDeathAfterTheFin(t *testing.T) {
	t.Parallel()
	client, server := connect(t, &Dialer{KeepAlive: quick})
	got := make(told, 10)
	defer client.Watch(got.tell)()
	server.CloseWrite()
	if dead := got.next(t); dead.Cause != health.PeerClosed || client.State() != health.Alive {
		t.Errorf("%v, %v", client.State(), dead)
	}
	testnet.Freeze(t, server)
	if dead := got.next(t); dead.Cause != health.KeepAliveTimeout || error(dead) != client.Err() || client.State() != health.Dead {
		t.Errorf("%v, %v", client.State(), dead)
	}
	got.empty(t)
}

// Whoever may have been given the error of a connection that is over is let tell by
// the watch: also a copy, which the kernel makes past the Conn's calls.
func TestACallOrACopyThatIsUnderWayMayTell(t *testing.T) {
	t.Parallel()
	client, _ := connect(t, new(Dialer))
	other, _ := connect(t, new(Dialer))
	telling := func(c *Conn) func() bool { return (*subject)(c).Telling }
	for name, call := range map[string]func() error{
		"Read":     func() error { _, err := client.Read(make([]byte, 1)); return err },
		"WriteTo":  func() error { _, err := client.WriteTo(io.Discard); return err },
		"ReadFrom": func() error { _, err := other.ReadFrom(client); return err },
	} {
		bound(t, client, time.Hour)
		done := async(call)
		eventually(t, telling(client))
		if got := telling(other)(); got != (name == "ReadFrom") {
			t.Errorf("%s: the one that is copied to: %v", name, got)
		}
		client.SetReadDeadline(time.Unix(1, 0))
		<-done
		if telling(client)() || telling(other)() {
			t.Errorf("%s has returned", name)
		}
	}
}
