package httphale

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial"
	"example.com/hale/internal/lab/trial/trialtest"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, d *hale.Dialer, tune func(*http.Transport)) *http.Client {
	t.Helper()
	config, err := trusting()
	if err != nil {
		t.Fatal(err)
	}
	transport := NewTransport(d.DialContext, config)
	tune(transport)
	c := &http.Client{Transport: transport}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestEveryClientKeepsThePromise(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	for _, r := range trialtest.KeepsThePromise(t, s, Clients()) {
		if r.Load == trial.Idle && len(r.Errors) != 0 {
			t.Errorf("%s, idle: %v, but nothing was under way", r.Client.Name, r.Errors)
		}
		for _, err := range r.Errors {
			if health.Classify(err) == health.Unknown {
				t.Errorf("%s: the cause is not underneath %v", r.Client.Name, err)
			}
		}
	}
}

// traced notes which connections requests get.
type traced struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (tr *traced) context(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.conns = append(tr.conns, i.Conn)
	}})
}

func TestBothVersionsWorkUnchangedAndTheConnIsFoundUnderTLS(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	for version, tune := range map[string]func(*http.Transport){"HTTP/1.1": onlyHTTP1, "HTTP/2.0": asServerLikes} {
		c := client(t, trialtest.Dialer(), tune)
		var tr traced
		for range 3 {
			req, err := http.NewRequestWithContext(tr.context(within(t, 10*time.Second)), http.MethodGet, "https://"+s.Addr, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			var body [3]byte
			if n, _ := res.Body.Read(body[:]); res.Proto != version || string(body[:n]) != "ok" {
				t.Errorf("%s: %s %s", version, res.Proto, body[:n])
			}
			// To its end: only then can the connection be used again.
			for err == nil {
				_, err = res.Body.Read(body[:])
			}
			res.Body.Close()
		}
		under, ok := hale.From(tr.conns[0])
		if !ok || under.Err() != nil || under.Meter().Written() == 0 {
			t.Errorf("%s: no good Conn under %T", version, tr.conns[0])
		}
		if tr.conns[1] != tr.conns[0] || tr.conns[2] != tr.conns[0] {
			t.Errorf("%s: three connections for three requests", version)
		}
	}
}

// A request that must not be sent twice fails, and says why.
func TestARequestUnderWayFailsWithTheCause(t *testing.T) {
	t.Parallel()
	for _, version := range []struct {
		name   string
		tune   func(*http.Transport)
		shared int // requests of three at once that share the connection
	}{{"HTTP/1.1", onlyHTTP1, 1}, {"HTTP/2", asServerLikes, 3}} {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			s := trialtest.Serve(t, Server)
			c := client(t, trialtest.Dialer(), version.tune)
			if err := get(within(t, 10*time.Second), c, "https://"+s.Addr); err != nil {
				t.Fatal(err)
			}
			if err := s.Vanish(); err != nil {
				t.Fatal(err)
			}
			// Several at once: on HTTP/2 they share a connection and its fate.
			start := time.Now()
			failures := make(chan error)
			for range 3 {
				go func() {
					res, err := c.Post("https://"+s.Addr, "text/plain", http.NoBody)
					if err == nil {
						res.Body.Close()
					}
					failures <- err
				}()
			}
			for range version.shared {
				err := <-failures
				if took := time.Since(start); took > trialtest.Longest {
					t.Errorf("took %v, promised %v", took, trialtest.Promise)
				}
				t.Log(err)
				dead, ok := errors.AsType[*health.DeadError](err)
				if !ok || !dead.Cause.Silent() {
					t.Errorf("%v, want that the server was silent", err)
				}
			}
			if err := s.Return(); err != nil { // for those that had to dial
				t.Fatal(err)
			}
			for range 3 - version.shared {
				<-failures
			}
			var tr traced
			if err := get(tr.context(within(t, 20*time.Second)), c, "https://"+s.Addr); err != nil {
				t.Fatal(err)
			}
			if under, ok := hale.From(tr.conns[len(tr.conns)-1]); !ok || under.Err() != nil {
				t.Error("the dead connection was used again")
			}
		})
	}
}

func TestAWebSocketThatWaitsEndsWithTheCause(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	c := client(t, trialtest.Dialer(), asServerLikes)
	ws, under, err := DialWebSocket(within(t, 10*time.Second), "wss://"+s.Addr+"/ws", c)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if under == nil {
		t.Fatal("no Conn under the WebSocket")
	}
	for _, text := range []string{"one", "two"} {
		if err := (socket{ws, under}).exchange(within(t, 10*time.Second), text); err != nil {
			t.Fatal(err)
		}
	}
	trialtest.Vanish(t, s)
	start := time.Now()
	_, _, err = ws.Read(within(t, 30*time.Second))
	if took := time.Since(start); took > trialtest.Longest {
		t.Errorf("took %v, promised %v", took, trialtest.Promise)
	}
	t.Log(err)
	dead, ok := errors.AsType[*health.DeadError](err)
	if !ok || !dead.Cause.Silent() || under.Err() != error(dead) {
		t.Errorf("%v, want what the Conn says: %v", err, under.Err())
	}
	select {
	case <-under.Done():
	default:
		t.Error("the Conn is not done")
	}
}

// What the default transport dials is no Conn, and nobody says it is.
func TestAWebSocketByTheDefaultDialerHasNoConn(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	config, err := trusting()
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: NewTransport(nil, config)}
	defer c.CloseIdleConnections()
	ws, under, err := DialWebSocket(within(t, 10*time.Second), "wss://"+s.Addr+"/ws", c)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if under != nil {
		t.Error(under)
	}
}
