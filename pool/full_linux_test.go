package pool_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
)

// fullServer answers lines, and refuses whoever comes when it has so many.
func fullServer(t *testing.T, most int32) (addr string) {
	l := testnet.Listen(t)
	var open atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if open.Add(1) > most {
				open.Add(-1)
				_, _ = io.WriteString(c, "full\n")
				c.Close()
				continue
			}
			wg.Go(func() {
				defer open.Add(-1)
				defer c.Close()
				_, _ = io.WriteString(c, "ready\n")
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					time.Sleep(5 * time.Millisecond) // the work
					_, _ = io.WriteString(c, line)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

type lines struct {
	net.Conn
	r *bufio.Reader
}

func (l *lines) ask() error {
	_ = l.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(l, "ping\n"); err != nil {
		return err
	}
	_, err := l.r.ReadString('\n')
	return err
}

// The kernel knows when a reply came.
func TestAServerThatIsFullServesOnAKernel(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(addr string) func(context.Context) (net.Conn, error){
		"hale":  func(addr string) func(context.Context) (net.Conn, error) { return dialer(new(hale.Dialer), addr) },
		"plain": plain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := pool.New(pool.Config[*lines]{
				Dial: dial(fullServer(t, 3)),
				Open: func(_ context.Context, c net.Conn) (*lines, error) {
					l := &lines{c, bufio.NewReader(c)}
					if line, err := l.r.ReadString('\n'); line != "ready\n" {
						return nil, errors.Join(errors.New("it says "+line), err)
					}
					return l, nil
				},
				MaxConns: 4, FailFast: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			var wg sync.WaitGroup
			var asked atomic.Int32
			for range 12 {
				wg.Go(func() {
					for end := time.Now().Add(3 * time.Second); time.Now().Before(end); asked.Add(1) {
						if err := p.Do(t.Context(), func(_ context.Context, l *lines) error { return l.ask() }); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			if st := p.Stats(); st.Outages != 0 || st.Down || st.DialErrors == 0 || st.Conns != 3 {
				t.Errorf("%d requests, %+v", asked.Load(), st)
			}
		})
	}
}

// fullInSilence is a server that answers lines, and does to whoever comes when it has
// so many what turnAway does.
func fullInSilence(t *testing.T, most int32, turnAway func(*net.TCPConn)) (addr string, accepted *atomic.Int32) {
	l := testnet.Listen(t)
	accepted = new(atomic.Int32)
	var open atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			accepted.Add(1)
			wg.Go(func() {
				defer open.Add(-1)
				defer c.Close()
				if open.Add(1) > most {
					turnAway(c)
					return
				}
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					time.Sleep(5 * time.Millisecond) // the work
					_, _ = io.WriteString(c, line)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String(), accepted
}

// What is accepted and closed before it had an answer is no reason to dial in a loop,
// and to have a request fail each time.
func TestAServerThatIsFullAndAcceptsIsNotDialledInALoop(t *testing.T) {
	t.Parallel()
	dials := map[string]func(addr string) func(context.Context) (net.Conn, error){
		"hale":  func(addr string) func(context.Context) (net.Conn, error) { return dialer(new(hale.Dialer), addr) },
		"plain": plain,
	}
	for how, turnAway := range map[string]func(*net.TCPConn){
		"FIN":                 func(*net.TCPConn) {},
		"RST":                 func(c *net.TCPConn) { c.SetLinger(0) },
		"FIN after a request": func(c *net.TCPConn) { c.Read(make([]byte, 5)) },
		"RST after a request": func(c *net.TCPConn) { c.Read(make([]byte, 5)); c.SetLinger(0) },
	} {
		for name, dial := range dials {
			t.Run(how+", "+name, func(t *testing.T) {
				t.Parallel()
				addr, accepted := fullInSilence(t, 2, turnAway)
				p := newPool(t, pool.Config[net.Conn]{Dial: dial(addr), MaxConns: 4, FailFast: true})
				var answered, failed atomic.Int32
				var wg sync.WaitGroup
				for range 12 {
					wg.Go(func() {
						for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
							if err := p.Do(t.Context(), func(_ context.Context, c net.Conn) error {
								return (&lines{c, bufio.NewReader(c)}).ask()
							}); err != nil {
								failed.Add(1)
								continue
							}
							answered.Add(1)
						}
					})
				}
				wg.Wait()
				st := p.Stats()
				if answered.Load() == 0 || failed.Load() > 100 || accepted.Load() > 100 || st.Outages > 0 || st.Down {
					t.Errorf("%d were answered, %d failed, %d accepted, %+v", answered.Load(), failed.Load(), accepted.Load(), st)
				}
			})
		}
	}
}

// A server that closes early, and takes new ones, is not full: whoever comes is dialled for.
func TestAServerThatHangsUpEarlyIsNotFull(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				if n > 0 { // the first stays
					_ = c.SetReadDeadline(time.Now().Add([]time.Duration{40, 80, 5}[n%3] * time.Millisecond))
				}
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					_, _ = io.WriteString(c, line)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	p := newPool(t, pool.Config[net.Conn]{Dial: dialer(new(hale.Dialer), l.Addr().String()), MaxConns: 4, MinIdleConns: 1})
	held := acquire(t, p)
	defer held.Release()
	for range 30 {
		time.Sleep(50 * time.Millisecond)
		start := time.Now()
		c := acquire(t, p)
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v, %+v", took, p.Stats())
		}
		_ = (&lines{c.Value(), bufio.NewReader(c.Value())}).ask()
		c.Release()
	}
	if st := p.Stats(); st.Full || st.Down || st.Outages > 0 {
		t.Errorf("%+v", st)
	}
}
