package pool

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

func TestAUseEndsOnceHoweverItIsEnded(t *testing.T) {
	t.Parallel()
	ends := map[string]func(Conn[*fakeConn]){
		"Release": Conn[*fakeConn].Release,
		"Close":   Conn[*fakeConn].Close,
		"Hijack":  func(c Conn[*fakeConn]) { _ = c.Hijack() },
	}
	for first, end := range ends {
		for second, again := range ends {
			t.Run(first+" then "+second, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := new(endpoint)
					p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MaxWaiters = 1, 1 })
					c := acquire(t, p)
					value, stale := c.Value(), c
					end(c)
					again(stale)
					synctest.Wait()
					next := acquire(t, p)
					again(stale)
					end(stale)
					if stale.Value() != nil || stale.Untouched() || stale.Hijack() != nil {
						t.Error("a stale copy can still do something")
					}
					if st := p.Stats(); st.InUse != 1 {
						t.Errorf("a stale copy ended the next use: %+v", st)
					}
					next.Release()
					if first == "Hijack" {
						if value.closed.Load() {
							t.Error("what was hijacked was closed")
						}
						value.Close()
					}
				})
			})
		}
	}
}

func TestTheZeroConnHasEnded(t *testing.T) {
	t.Parallel()
	var c Conn[*fakeConn]
	c.Release()
	c.Close()
	if c.Value() != nil || c.Hijack() != nil || c.Untouched() {
		t.Error("it can do something")
	}
}

func TestOneOfManyWhoEndAUseEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var evicted int
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.Observer = &Observer{Evict: func(EvictInfo) { evicted++ }}
			c.MaxConns = 1
		})
		for range 200 {
			c := acquire(t, p)
			before := evicted
			var hijacked []*fakeConn
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { c.Value(); c.Release() })
				wg.Go(func() { c.Untouched(); c.Close() })
				wg.Go(func() {
					if v := c.Hijack(); v != nil {
						mu.Lock()
						defer mu.Unlock()
						hijacked = append(hijacked, v)
					}
				})
			}
			wg.Wait()
			synctest.Wait()
			if len(hijacked) > 1 || evicted > before+1 {
				t.Fatalf("hijacked %d times, evicted %d times", len(hijacked), evicted-before)
			}
			for _, v := range hijacked {
				v.Close()
			}
		}
	})
}

func TestHijackMeetsDeathWithoutADeadlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.StableAfter = 1 })
		for range 300 {
			c := acquire(t, p)
			v := c.Value()
			var wg sync.WaitGroup
			wg.Go(func() { v.kill(health.Reset) })
			wg.Go(func() { c.Hijack() })
			wg.Wait()
			synctest.Wait()
			if v.closed.Load() {
				t.Fatal("what was hijacked was closed")
			}
			v.Close()
		}
		synctest.Wait()
		if st := p.Stats(); st.Conns != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAFaultDiscardsUnlessResetVouches(t *testing.T) {
	t.Parallel()
	deadline := func(c *fakeConn) error {
		c.SetDeadline(time.Now().Add(-time.Second))
		_, err := c.Read(make([]byte, 1))
		c.SetDeadline(time.Time{})
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		return nil
	}
	for name, test := range map[string]struct {
		reset  bool
		change func(*fakeConn) // before the release
		reason Reason          // why it was discarded, if it was
		wipes  int
	}{
		"no reset":     {false, func(*fakeConn) {}, ReasonFault, 0},
		"reset passes": {true, func(*fakeConn) {}, "", 1},
		"reset fails":  {true, func(c *fakeConn) { c.sick.Store(true) }, ReasonFault, 1},
		"reset hangs":  {true, func(c *fakeConn) { c.hangs.Store(true) }, ReasonFault, 1},
		"dead":         {true, func(c *fakeConn) { c.kill(health.Reset) }, ReasonDead, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				released := 0
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					if test.reset {
						c.Reset = e.wipe
					}
					c.Observer = &Observer{Release: func() { released++ }}
				})
				c := acquire(t, p)
				v := c.Value()
				if err := deadline(v); err != nil {
					t.Fatal(err)
				}
				test.change(v)
				start := time.Now()
				c.Release()
				if time.Since(start) != 0 {
					t.Error("Release blocked")
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				kept := test.reason == ""
				if st := p.Stats(); v.closed.Load() == kept || !kept && st.Recycled[test.reason] != 1 || kept && st.Idle != 1 {
					t.Errorf("%+v", st)
				}
				if _, n := e.asked(); n != test.wipes {
					t.Errorf("%d resets", n)
				}
				if kept != (released == 1) {
					t.Errorf("%d releases told", released)
				}
				if kept { // the fault is forgiven
					acquire(t, p).Release()
					synctest.Wait()
					if _, n := e.asked(); n != 1 {
						t.Errorf("%d resets after a use without fault", n)
					}
				}
			})
		})
	}
}

func TestAReplyThatComesLateNeverReachesTheNextCaller(t *testing.T) {
	t.Parallel()
	switch runtime.GOOS {
	case "windows", "plan9", "js", "wasip1":
		t.Skip("it cannot be known on this system")
	}
	for name, test := range map[string]struct {
		keep  bool
		vital bool
		late  bool // after the release
		want  bool // that it is discarded
	}{
		"before release":             {vital: true, want: true},
		"before release, plain":      {want: true},
		"after release, plain":       {late: true, want: true},
		"after release":              {late: true, vital: true, want: true},
		"the peer may speak unasked": {keep: true, vital: true},
		"unasked, plain":             {keep: true, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			dialled := false
			p, err := New(Config[net.Conn]{
				Dial: func(context.Context) (net.Conn, error) {
					if dialled {
						return nil, errRefused
					}
					dialled = true
					if test.vital {
						return &vitalConn{TCPConn: client}, nil
					}
					return client, nil
				},
				MaxConns: 1, KeepUnread: test.keep,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			c, err := p.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c.Value(), "request")
			if test.late {
				c.Release()
			}
			io.WriteString(server, "reply")
			awaitReadable(t, client)
			c.Release()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			next, err := p.Acquire(ctx)
			next.Release()
			if discarded := err != nil; discarded != test.want || p.Stats().Recycled[ReasonUnread] == 1 != test.want {
				t.Errorf("%v, %+v", err, p.Stats())
			}
		})
	}
}

// awaitReadable waits for data to arrive.
func awaitReadable(t *testing.T, c net.Conn) {
	t.Helper()
	raw := peekable(c)
	for deadline := time.Now().Add(10 * time.Second); !lookUnread(raw); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing arrives")
		}
	}
}

func lookUnread(raw syscall.RawConn) bool {
	seen, _ := see(raw)
	return seen != clean
}

func TestASlowCloseKeepsItsPlaceUpToCloseTimeout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		takes, timeout, want time.Duration
	}{
		"a second":       {time.Second, 0, time.Second},
		"hours":          {time.Hour, 0, defaultCloseTimeout + abortedAfter},
		"hours, bounded": {time.Hour, time.Second, time.Second + abortedAfter},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				t.Cleanup(func() { time.Sleep(100 * time.Hour) }) // for what goes on
				p := newPool(t, e, func(c *Config[*fakeConn]) {
					c.MaxConns, c.CloseTimeout = 1, test.timeout
					c.Close = func(c *fakeConn) error {
						time.Sleep(test.takes)
						return c.Close()
					}
				})
				start := time.Now()
				for range 20 {
					acquire(t, p).Close() // does not block
				}
				acquire(t, p).Release()
				if took := time.Since(start); took != 20*test.want {
					t.Errorf("took %v", took)
				}
				if _, _, most := e.counts(); most > 1 {
					t.Errorf("%d were open", most)
				}
				e.mu.Lock()
				defer e.mu.Unlock()
				if e.mostUnclosed > 1 {
					t.Errorf("%d were not closed", e.mostUnclosed)
				}
			})
		})
	}
}

func TestASlowCloseOfWhatIsDeadKeepsNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		t.Cleanup(func() { time.Sleep(100 * time.Hour) }) // for what goes on
		var closing atomic.Int32
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MaxConns = 1
			c.Close = func(c *fakeConn) error {
				closing.Add(1)
				if !c.closed.Load() {
					t.Error("asked to close a dead connection that is open")
				}
				time.Sleep(time.Hour)
				return nil
			}
		})
		c := acquire(t, p)
		start := time.Now()
		c.Value().kill(health.Reset) // nobody to say goodbye to
		c.Release()
		acquire(t, p).Hijack().Close()
		synctest.Wait()
		if took := time.Since(start); took > 0 || closing.Load() != 1 {
			t.Errorf("took %v, %d closed", took, closing.Load())
		}
	})
}

func TestWhatCannotEvenBeAbortedKeepsNoPlaceForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		t.Cleanup(func() { time.Sleep(100 * time.Hour) }) // for what goes on
		p := newWrapped(t, e, func(c *fakeConn) closeHangs { return closeHangs{c} }, func(c *Config[closeHangs]) { c.MaxConns = 1 })
		start := time.Now()
		acquireWrapped(t, p).Close()
		dead := acquireWrapped(t, p)
		dead.Value().kill(health.Reset)
		dead.Release()
		acquireWrapped(t, p).Release()
		if took := time.Since(start); took > defaultCloseTimeout+2*lateAfter {
			t.Errorf("took %v", took)
		}
	})
}

// closeHangs is a connection whose Close takes hours.
type closeHangs struct{ *fakeConn }

func (c closeHangs) Close() error { time.Sleep(10 * time.Hour); return c.fakeConn.Close() }

func TestACloseFreesThePlaceOnceTheConnectionIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns = 2 })
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					acquire(t, p).Close()
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		idle := p.Stats().Idle // dialled for one who has got another's
		if _, open, most := e.counts(); open != idle || most > 2 {
			t.Errorf("%d open, %d idle, %d at most", open, idle, most)
		}
	})
}

func TestARemovedConnectionIsReplacedUpToMinConns(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(Conn[*fakeConn]){
		"Close":  Conn[*fakeConn].Close,
		"Hijack": func(c Conn[*fakeConn]) { c.Hijack().Close() },
		"death":  func(c Conn[*fakeConn]) { c.Value().kill(health.PeerClosed); c.Release() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := new(endpoint)
				p := newPool(t, e, func(c *Config[*fakeConn]) { c.MaxConns, c.MinConns, c.StableAfter = 2, 2, time.Second })
				time.Sleep(2 * time.Second)
				end(acquire(t, p))
				start := time.Now()
				synctest.Wait()
				if st := p.Stats(); st.Idle != 2 {
					time.Sleep(roundLeast)
					synctest.Wait()
				}
				if st := p.Stats(); st.Idle != 2 || time.Since(start) > roundLeast {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// Who holds a connection that died has the death told before the end of the use, whoever
// tells it: what a trace says of the request is said while that is under way.
func TestADeathIsToldBeforeTheUseThatItHitHasEnded(t *testing.T) {
	t.Parallel()
	told := make(chan struct{})
	var over atomic.Bool
	e := new(endpoint)
	p := newPool(t, e, func(c *Config[*fakeConn]) {
		c.MaxConns = 1
		c.Observer = &Observer{Evict: func(EvictInfo) {
			close(told)
			for range 100 {
				runtime.Gosched() // it takes its time
			}
			over.Store(true)
		}}
	})
	c := acquire(t, p)
	go c.Value().kill(health.Reset)
	<-told
	c.Release()
	if !over.Load() {
		t.Error("released while the death was being told")
	}
}
