package heartbeat

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterIsCalledWithTheLockFreeWheneverThePulseGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failure := errors.New("overloaded")
		script := []error{nil, failure, nil, failure, failure}
		asked, called := 0, 0
		c := served(t)
		pulse := make(chan *Pulse, 1)
		r := &Prober{Interval: every, Failures: 1, Probe: func(context.Context, net.Conn) error {
			asked++
			return script[asked-1]
		}}
		r.After = func(got net.Conn) {
			p := <-pulse
			pulse <- p
			if called++; got != c || called != asked || !p.TryLock() {
				t.Errorf("call %d after probe %d", called, asked)
			}
			p.UnlockUnused()
		}
		found := make(deaths, 1)
		pulse <- beginWith(t, r, c, found.add)
		<-found
		synctest.Wait()
		if asked != len(script) || called != len(script)-1 {
			t.Errorf("%d calls after %d probes", called, asked)
		}
	})
}

func TestWhoFoundThePulseLockedIsCalledAfterTheProbe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked, free := make(chan struct{}), make(chan time.Time)
		r := &Prober{Interval: every, Timeout: limit, Failures: 1, Probe: func(ctx context.Context, c net.Conn) error {
			asked <- struct{}{}
			return ping(ctx, c)
		}}
		r.After = func(net.Conn) { free <- time.Now() }
		p := begin(t, r, hung(t))
		<-asked
		start := time.Now()
		if p.TryLock() {
			t.Error("locked during a probe")
		}
		if d := (<-free).Sub(start); d != limit {
			t.Errorf("called after %v", d)
		}
	})
}

func TestStopFromWithinAfter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pulse, done := make(chan *Pulse, 1), make(chan struct{})
		r := &Prober{Interval: every, Probe: ping, After: func(net.Conn) {
			(<-pulse).Stop()
			close(done)
		}}
		pulse <- begin(t, r, served(t))
		<-done
		time.Sleep(2 * latest) // no other call
	})
}

func TestAfterIsNotCalledOnceStopHasReturned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := make(chan struct{})
		stopped := false
		r := &Prober{Interval: every, Timeout: time.Hour, Probe: func(ctx context.Context, c net.Conn) error {
			close(asked)
			return ping(ctx, c)
		}, After: func(net.Conn) {
			if stopped {
				t.Error("called")
			}
		}}
		p := begin(t, r, hung(t))
		<-asked
		p.Stop()
		stopped = true
		time.Sleep(latest)
	})
}

func TestStopDuringAfterWaitsForIt(t *testing.T) {
	t.Parallel() // not in a bubble: its clock stands still while somebody waits for a mutex
	called := make(chan struct{}, 1)
	var runs atomic.Bool
	r := &Prober{Interval: time.Millisecond, Probe: func(context.Context, net.Conn) error { return nil }, After: func(net.Conn) {
		runs.Store(true)
		select {
		case called <- struct{}{}:
		default: // not the first time
		}
		time.Sleep(20 * time.Millisecond)
		runs.Store(false)
	}}
	p := begin(t, r, hung(t))
	<-called
	p.Stop()
	if runs.Load() {
		t.Error("Stop returned during After")
	}
}
