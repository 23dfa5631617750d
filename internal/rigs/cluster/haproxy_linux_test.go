package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
	"example.com/hale/sockopt"
)

// haproxyConfig has a worker that was replaced end its last connections after 2 s.
const haproxyConfig = `
global
	stats socket %s level admin
	hard-stop-after 2s
defaults
	mode tcp
	timeout connect 1s
	timeout client 1m
	timeout server 1m
frontend f
	bind %s
	default_backend b
backend b
	server s1 %s
	server s2 %s
`

// A proxy is an HAProxy before two servers, s1 and s2.
type proxy struct {
	*service.Server
	home service.Home
}

func serveHAProxy(t *testing.T, s1, s2 string) *proxy {
	t.Helper()
	p := new(proxy)
	var err error
	p.Server, err = service.Service{
		Program: service.Program{Name: "haproxy", Package: "haproxy"},
		Args: func(h service.Home, host, port string) []string {
			p.home = h
			config := fmt.Sprintf(haproxyConfig, h.Path("stats"), net.JoinHostPort(host, port), s1, s2)
			if err := h.WriteFile("config", []byte(config)); err != nil {
				t.Error(err)
			}
			return []string{"-W", "-db", "-S", h.Path("master"), "-f", h.Path("config")}
		},
	}.Start(t.Context())
	if errors.Is(err, service.ErrAbsent) {
		testnet.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the workers with it
		if err := errors.Join(p.Kill(), p.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// tell sends a command to a socket of the proxy's, and returns what it says.
func (p *proxy) tell(t *testing.T, socket, command string) string {
	t.Helper()
	conn, err := net.Dial("unix", p.home.Path(socket))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		t.Fatal(err)
	}
	reply, _ := io.ReadAll(conn) // a reload may cut it
	return strings.TrimSpace(string(reply))
}

// serveLines is a server that answers each line with itself, and counts them.
func serveLines(t *testing.T) (address string, lines *atomic.Int64) {
	t.Helper()
	lines = new(atomic.Int64)
	s, err := service.Serve("lines", func(conn net.Conn) {
		for r := bufio.NewScanner(conn); r.Scan(); {
			lines.Add(1)
			time.Sleep(2 * time.Millisecond)
			if _, err := fmt.Fprintln(conn, r.Text()); err != nil {
				return
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Addr, lines
}

// A server is drained and its sessions are ended, and then the proxy is reloaded: its
// old worker ends what is left after two seconds.
func TestHAProxyDrainsAndReloads(t *testing.T) {
	t.Parallel()
	s1, lines1 := serveLines(t)
	s2, lines2 := serveLines(t)
	p := serveHAProxy(t, s1, s2)
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(3 * time.Second)}
	c, err := cluster.New(cluster.Config[net.Conn]{
		Resolve: cluster.Static(p.Addr),
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", e.Address)
		},
		MaxConns: 16,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	request := func(kind string, as func(context.Context) context.Context) *load {
		l := &load{client: "hale", kind: kind}
		l.do = func(ctx context.Context, n int) outcome {
			err := c.Do(as(ctx), func(ctx context.Context, conn net.Conn) error {
				l.attempts.Add(1)
				deadline, _ := ctx.Deadline()
				_ = conn.SetDeadline(deadline)
				if _, err := fmt.Fprintln(conn, n); err != nil {
					return err
				}
				reply, err := bufio.NewReader(conn).ReadString('\n')
				if err == nil && reply != fmt.Sprintln(n) {
					t.Errorf("reply %q to %d", reply, n)
				}
				if err == nil {
					err = conn.SetDeadline(time.Time{})
				}
				return err
			})
			switch {
			case err == nil:
				return done
			case pool.SafeToRetry(err):
				return l.note(failed, err)
			}
			return l.note(unknown, err)
		}
		return l
	}
	loads := []*load{
		request("request", func(ctx context.Context) context.Context { return ctx }),
		request("idempotent request", pool.Idempotent),
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, l := range loads {
		l.run(ctx, &wg, 4, 5*time.Millisecond)
	}
	time.Sleep(time.Second)
	if lines1.Load() == 0 || lines2.Load() == 0 {
		t.Errorf("s1 and s2 got %d and %d", lines1.Load(), lines2.Load())
	}
	for _, command := range []string{"set server b/s1 state drain", "shutdown sessions server b/s1"} {
		if reply := p.tell(t, "stats", command); reply != "" {
			t.Fatalf("%s: %s", command, reply)
		}
		time.Sleep(time.Second)
	}
	before := lines1.Load()
	time.Sleep(time.Second)
	if got := lines1.Load() - before; got > 0 {
		t.Errorf("%d lines came to a server that was drained", got)
	}
	t.Log("reload:", p.tell(t, "master", "reload"))
	time.Sleep(4 * time.Second) // also after the end of the old worker
	if lines1.Load() == before {
		t.Error("no line came to s1 after the reload, which forgets that it was drained")
	}
	stop()
	wg.Wait()
	report(t, "HAProxy drains and reloads", loads...)
	t.Log(c.Stats().Total.Deaths)
	if n := loads[0].ended[failed] + loads[1].ended[failed] + loads[1].ended[unknown]; n > 0 {
		t.Errorf("%d requests failed, or could be sent again and were not", n)
	}
	if c.Stats().Total.Deaths[health.PeerClosed] == 0 {
		t.Error("no connection was closed: this test shows nothing")
	}
}
