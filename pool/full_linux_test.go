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
