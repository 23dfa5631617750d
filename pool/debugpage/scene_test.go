package debugpage

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// fakeConn is a connection that tells of a plan, and has no socket.
type fakeConn struct {
	net.Conn
	local, remote string
	plan          sockopt.Plan
}

func (c fakeConn) LocalAddr() net.Addr  { return addr(c.local) }
func (c fakeConn) RemoteAddr() net.Addr { return addr(c.remote) }

func addr(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// Report is as that of a hale.Conn.
func (c fakeConn) Report() sockopt.Report {
	return sockopt.Report{Platform: c.plan.Platform, Watched: c.plan.Watched, Asked: c.plan.Asked, Effective: c.plan.Effective, Got: c.plan.Effective}
}

// linux has a plan of Within(3 * time.Second), on every system.
func linux(t testing.TB) sockopt.Plan {
	t.Helper()
	plan, err := sockopt.Platform{GOOS: "linux"}.Plan(sockopt.Within(3 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// conns is so many connections, of which those of the numbers are suspect.
func conns(t testing.TB, n int, suspects ...uint64) (all []pool.ConnInfo) {
	plan := linux(t)
	for i := range n {
		c := pool.ConnInfo{
			Number: uint64(i) + 1, State: "idle", Opened: time.Now().Add(-time.Hour), Uses: 7,
			Conn: fakeConn{local: "10.1.2.3:40001", remote: "10.9.8.7:5432", plan: plan},
		}
		for _, s := range suspects {
			if s == c.Number {
				c.Suspect, c.State = true, "quarantined"
			}
		}
		all = append(all, c)
	}
	return all
}

var errRefused = errors.New("dial tcp 10.9.8.7:5432: connect: connection refused")

// outageSnapshot is a pool whose endpoint has been silent for 7 s, and that has known it
// for 4.
func outageSnapshot(t testing.TB) pool.Snapshot {
	now := time.Now()
	began := now.Add(-7 * time.Second)
	death := &health.DeadError{Cause: health.KeepAliveTimeout, Silence: 3 * time.Second}
	return pool.Snapshot{
		Name: "orders", At: now, State: "outage", Since: began, OldestWait: 4 * time.Second,
		Attempt: 3, NextTry: now.Add(1200 * time.Millisecond), Dial: errRefused,
		Stats: pool.Stats{
			MaxConns: 10, Conns: 9, InUse: 3, Idle: 5, Quarantined: 1, Waiting: 2, Dials: 12, DialErrors: 3,
			Deaths: map[health.Cause]int64{health.KeepAliveTimeout: 2}, Silence: 6 * time.Second,
			Recycled: map[pool.Reason]int64{pool.ReasonDead: 2}, Outages: 1, OutageTime: 5 * time.Second,
		},
		Outages: []pool.OutageInfo{
			{Outage: pool.Outage{ID: 1, Began: began.Add(-time.Minute), Detected: began.Add(-57 * time.Second), Ended: began.Add(-55 * time.Second), Healed: true, Death: death, Attempts: 2, Lost: 1}},
			{
				Outage: pool.Outage{ID: 2, Began: began, Detected: began.Add(3 * time.Second), Death: death, Dial: errRefused, Attempts: 3, Lost: 2, Waiters: 2},
				Dials:  []time.Time{began.Add(4 * time.Second), began.Add(5 * time.Second), began.Add(6 * time.Second)},
			},
		},
		Conns: conns(t, 9, 4),
	}
}

// wellSnapshot is a pool of which there is nothing to say.
func wellSnapshot(t testing.TB, name string) pool.Snapshot {
	return pool.Snapshot{Name: name, At: time.Now(), State: "well", Stats: pool.Stats{MaxConns: 4, Conns: 2, Idle: 2}, Conns: conns(t, 2)}
}

// always is a pool that is as it is.
func always(s pool.Snapshot) func() pool.Snapshot { return func() pool.Snapshot { return s } }

// request is a GET of a page, of a browser if the Accept header is not set.
func request(target string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// get is the answer to a request.
func get(h http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(target, headers...))
	return w
}

// decoded is the JSON form of a page.
func decoded(t testing.TB, h http.Handler, target string) (v map[string]any) {
	t.Helper()
	w := get(h, target, "Accept", "application/json")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d, %v: %s", w.Code, w.Header(), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

// at leads to a value in JSON.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}
