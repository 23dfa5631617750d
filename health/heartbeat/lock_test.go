package heartbeat

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestEverybodyWhoWaitsForALockGetsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := begin(t, &Prober{Probe: ping}, served(t))
		p.Lock()
		var wg sync.WaitGroup
		var got atomic.Int32
		for range 100 {
			wg.Go(func() {
				p.Lock()
				defer p.Unlock()
				got.Add(1)
				time.Sleep(time.Millisecond)
			})
		}
		synctest.Wait()
		if n := got.Load(); n != 0 {
			t.Fatalf("%d got a lock that was taken", n)
		}
		p.Unlock()
		wg.Wait()
		if !p.TryLock() {
			t.Error("not free")
		}
	})
}

func TestALockKeepsAllOthersOut(t *testing.T) {
	t.Parallel()
	l := newLock(0)
	shared := 0
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 1000 {
				if i%2 == 0 {
					l.lock()
				} else if !l.tryLock() {
					continue
				}
				shared++
				l.unlock(l.before + 1)
			}
		})
	}
	wg.Wait()
	if used, free := l.lastUsed(); !free || int(used) != shared {
		t.Errorf("used %d times of %d, free: %v", used, shared, free)
	}
}

// asking returns a Prober whose peers are well, and when they are asked.
func asking() (r *Prober, asked chan time.Time) {
	asked = make(chan time.Time, 1000)
	return &Prober{Interval: every, Probe: func(context.Context, net.Conn) error {
		asked <- time.Now()
		return nil
	}}, asked
}

func TestALockWithoutUseLeavesTheIntervalAsItIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, asked := asking()
		p, start := begin(t, r, served(t)), time.Now()
		for len(asked) == 0 {
			p.Lock()
			time.Sleep(100 * time.Millisecond)
			p.UnlockUnused()
			time.Sleep(100 * time.Millisecond)
		}
		if d := (<-asked).Sub(start); d < soonest || d > latest+100*time.Millisecond {
			t.Errorf("probed after %v", d)
		}
	})
}

func TestAProbeThatCameDueUnderALockIsMadeAfterIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, asked := asking()
		p := begin(t, r, served(t))
		for range 20 {
			p.Lock()
			time.Sleep(latest)
			synctest.Wait()
			unlocked := time.Now()
			p.UnlockUnused()
			if d := (<-asked).Sub(unlocked); d != 0 {
				t.Errorf("probed %v after the lock", d)
			}
			synctest.Wait()
		}
	})
}

func TestAUseAfterALockWithoutOneBeginsTheIntervalAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, asked := asking()
		p := begin(t, r, served(t))
		for range 20 {
			p.Lock()
			time.Sleep(every / 2)
			p.UnlockUnused()
			p.Lock()
			time.Sleep(latest) // a probe comes due
			used := time.Now()
			p.Unlock()
			if d := (<-asked).Sub(used); d < soonest || d > latest {
				t.Errorf("probed %v after the use", d)
			}
		}
	})
}

// BenchmarkLock is what a Pulse adds to a use of its connection.
//
//	go test -run '^$' -bench Lock ./health/heartbeat
func BenchmarkLock(b *testing.B) {
	c, peer := net.Pipe()
	b.Cleanup(func() { c.Close(); peer.Close() })
	p, err := (&Prober{Interval: time.Hour, Probe: ping}).Start(c, func(e *health.DeadError) { b.Error(e) })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Stop)
	var mutex sync.Mutex
	for name, f := range map[string]func(){
		//lint:ignore SA2001 the lock is what is measured
		"lock=pulse":  func() { p.Lock(); p.Unlock() },
		"lock=unused": func() { p.Lock(); p.UnlockUnused() },
		//lint:ignore SA2001 the lock is what is measured
		"lock=mutex": func() { mutex.Lock(); mutex.Unlock() },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
}
