package debugpage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

func TestTheJSONHasSecondsAndNull(t *testing.T) {
	t.Parallel()
	v := decoded(t, Handler(always(outageSnapshot(t))), "/")
	for path, want := range map[string]any{
		"state": "outage", "for_s": 7.0, "oldest_wait_s": 4.0, "attempt": 3.0, "trying": false, "next_try_s": 1.2,
		"dial_error": errRefused.Error(), "cause": "keepalive_timeout", "max_conns": 10.0, "in_use": 3.0, "suspect": 1.0,
		"mean_detection_s": 3.0, "mean_outage_s": 5.0, "mean_dial_s": 0.0, "promise_s": 3.0, "page": 1.0, "pages": 1.0,
	} {
		if got := at(v, "pools", 0, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	for path, want := range map[string]any{
		"id": 2.0, "ended": nil, "healed": false, "detection_s": 3.0, "duration_s": 7.0, "attempts": 3.0, "lost": 2.0, "waiters": 2.0,
	} {
		if got := at(v, "pools", 0, "last_outages", 0, path); got != want {
			t.Errorf("the outage's %s is %v, want %v", path, got, want)
		}
	}
	if got := fmt.Sprint(at(v, "pools", 0, "last_outages", 0, "dials_s")); got != "[4 5 6]" {
		t.Errorf("dials at %s", got)
	}
	for path, want := range map[string]any{
		"number": 4.0, "remote": "10.9.8.7:5432", "local": "10.1.2.3:40001", "state": "quarantined", "suspect": true, "uses": 7.0,
		"rtt_s": nil, "unanswered_probes": nil, "heard_s": nil, "keepalive_idle_s": 1.0, "keepalive_count": 8.0, "noticed_within_s": 2.75, "held_s": nil,
	} {
		if got := at(v, "pools", 0, "connections", 0, path); got != want {
			t.Errorf("the connection's %s is %v, want %v", path, got, want)
		}
	}
}

func TestEveryFieldOfTheJSONSaysItsUnit(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(connReport{Age: unknown})
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if v["age_s"] != nil {
		t.Errorf("what is not known is %v", v["age_s"])
	}
	if names := slices.Sorted(maps.Keys(v)); !slices.Contains(names, "unacknowledged_bytes") {
		t.Errorf("%v", names)
	}
}

func TestWhenAPeerThatIsGoneWouldBeNoticed(t *testing.T) {
	t.Parallel()
	const s = time.Second
	keep := sockopt.KeepAlive{Idle: 10 * s, Interval: 5 * s, Count: 4}
	known := facts{planned: true, known: true, set: keep, window: window{20 * s, 30 * s}}
	with := func(change func(*facts)) facts { f := known; change(&f); return f }
	for name, test := range map[string]struct {
		f    facts
		want time.Duration
		err  error
	}{
		"just heard":                       {known, 30 * s, nil},
		"quiet for 4 s":                    {with(func(f *facts) { f.info.SinceAck, f.info.SinceReceived = 4*s, 9*s }), 26 * s, nil},
		"a probe is due":                   {with(func(f *facts) { f.info.SinceAck, f.info.SinceReceived = 60*s, 60*s }), 20 * s, nil},
		"a probe is unanswered":            {with(func(f *facts) { f.info.SinceAck, f.info.SinceReceived, f.info.Probes = 17*s, 17*s, 2 }), 13 * s, nil},
		"and for longer than was promised": {with(func(f *facts) { f.info.SinceAck, f.info.SinceReceived, f.info.Probes = 31*s, 31*s, 4 }), 0, nil},
		"data is under way":                {with(func(f *facts) { f.info.Unacked, f.info.SinceAck, f.info.SinceReceived = 9, 5*s, 5*s }), 30 * s, nil},
		"the kernel does not tell":         {with(func(f *facts) { f.known = false }), 30 * s, nil},
		"keepalive is off":                 {with(func(f *facts) { f.window = window{sockopt.Never, sockopt.Never} }), 0, errNeverNoticed},
		"the window is not known":          {with(func(f *facts) { f.window = window{} }), 0, errNotTold},
		"the connection has no plan":       {facts{known: true}, 0, errNotTold},
	} {
		if got, err := test.f.noticed(); got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %v, %v, want %v, %v", name, got, err, test.want, test.err)
		}
	}
}

func TestAConnectionWithoutASocketIsNotTakenForAWellOne(t *testing.T) {
	t.Parallel()
	s := wellSnapshot(t, "pipes")
	s.Conns = []pool.ConnInfo{{Number: 1, State: "idle", Conn: plainConn{fakeConn{local: "10.0.0.1:1", remote: "10.0.0.2:2"}}}}
	c := at(decoded(t, Handler(always(s)), "/"), "pools", 0, "connections", 0)
	if at(c, "noticed_within_s") != nil || at(c, "unnoticed") != errNotTold.Error() || at(c, "age_s") != nil {
		t.Errorf("%v", c)
	}
}

// plainConn has no plan.
type plainConn struct{ c fakeConn }

func (c plainConn) Report()                            {}
func (c plainConn) Read([]byte) (int, error)           { return 0, nil }
func (c plainConn) Write([]byte) (int, error)          { return 0, nil }
func (c plainConn) Close() error                       { return nil }
func (c plainConn) LocalAddr() net.Addr                { return c.c.LocalAddr() }
func (c plainConn) RemoteAddr() net.Addr               { return c.c.RemoteAddr() }
func (c plainConn) SetDeadline(time.Time) error        { return nil }
func (c plainConn) SetReadDeadline(time.Time) error    { return nil }
func (c plainConn) SetWriteDeadline(t time.Time) error { return nil }

func TestAConnectionThatDiedInUseIsShownAsDead(t *testing.T) {
	t.Parallel()
	s := wellSnapshot(t, "users")
	s.Conns[1].State, s.Conns[1].Leaves = "in_use", pool.ReasonDead
	page := strip(get(Handler(always(s)), "/").Body.String())
	if !strings.Contains(page, "in use, dead</th>") || !strings.Contains(page, ">noticed</td>") {
		t.Errorf("%s", page)
	}
}

func TestAClusterIsAsItsEndpointsAre(t *testing.T) {
	t.Parallel()
	e := func(state string, ejected bool) seenEndpoint {
		return seenEndpoint{Endpoint{Ejected: ejected, Pool: pool.Snapshot{State: state}}, seenPool{}}
	}
	for want, endpoints := range map[string][]seenEndpoint{
		"well":     {e("well", false), e("well", false)},
		"suspect":  {e("well", false), e("suspect", false), e("busy", false)},
		"probing":  {e("suspect", false), e("probing", false)},
		"degraded": {e("well", false), e("well", true), e("suspect", false)},
		"outage":   {e("outage", false), e("well", true), e("closed", false)},
		"closed":   {e("closed", false), e("closed", false)},
		"unknown":  nil,
	} {
		if got := together(endpoints); got != want {
			t.Errorf("%s, want %s: %v", got, want, endpoints)
		}
	}
}

func TestAClusterIsShownWithItsEndpoints(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := &Page{Clusters: []func() Cluster{func() Cluster {
		return Cluster{Name: "db", Endpoints: []Endpoint{
			{Name: "db1:5432", Role: "primary", Share: .6, Pool: wellSnapshot(t, "")},
			{Name: "db2:5432", Role: "replica", Ejected: true, Until: now.Add(time.Hour), Why: "5 errors in a row", Pool: outageSnapshot(t)},
		}}
	}}}
	v := decoded(t, p, "/")
	if at(v, "clusters", 0, "state") != "degraded" || at(v, "clusters", 0, "endpoints", 0, "share") != .6 || at(v, "clusters", 0, "endpoints", 1, "pool", "id") != "db/db2:5432" {
		t.Errorf("%v", v)
	}
	page := get(p, "/").Body.String()
	for _, want := range []string{"degraded", "?pool=db%2fdb1%3A5432", "primary", "60 %", "ejected for 59 min, 5 errors in a row"} {
		if !strings.Contains(strings.ToLower(page), strings.ToLower(want)) {
			t.Errorf("there is no %q in %s", want, strip(page))
		}
	}
	if one := decoded(t, p, "/?pool=db/db1:5432"); at(one, "pools", 0, "name") != "db1:5432" || len(at(one, "pools", 0, "connections").([]any)) != 2 {
		t.Errorf("%v", one)
	}
	if text := get(p, "/", "Accept", "*/*").Body.String(); !strings.Contains(text, "db2:5432  replica  0 %") {
		t.Errorf("%s", text)
	}
}

func TestTheHistoryHasWhatWasSeenAndNothingBetween(t *testing.T) {
	t.Parallel()
	var h history
	start := time.Now()
	see := func(state string, seconds ...int) {
		for _, s := range seconds {
			h.add(state, start.Add(time.Duration(s)*time.Second))
		}
	}
	see("well", 0, 1, 2)
	see("suspect", 3, 4)
	see("well", 60, 61)
	var got []string
	for _, r := range h.runs {
		got = append(got, fmt.Sprintf("%s %v-%v", r.State, r.From.Sub(start).Seconds(), r.To.Sub(start).Seconds()))
	}
	if want := "well 0-3, suspect 3-4, well 60-61"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	if !h.since("well").IsZero() || !h.since("suspect").IsZero() {
		t.Error("nobody saw it begin")
	}
	see("suspect", 62, 63)
	if got := h.since("suspect").Sub(start); got != 62*time.Second {
		t.Errorf("suspect since %v", got)
	}
	see("busy", 960)
	if len(h.runs) != 3 || h.isOld(start.Add(16*time.Minute)) || !h.isOld(start.Add(2*time.Hour)) {
		t.Errorf("after 16 minutes: %v", h.runs)
	}
	for i := range 1_000 {
		see([]string{"well", "suspect"}[i%2], 1000+i/10)
	}
	if len(h.runs) > runsKept+1 {
		t.Errorf("%d runs", len(h.runs))
	}
}

// Whatever the times are, what is drawn lies within the drawing.
func TestWhatIsDrawnIsWithinTheDrawing(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	inside := func(what string, x, w float64) {
		if math.IsNaN(x) || math.IsNaN(w) || x < 0 || w < 0 || x+w > 100.011 {
			t.Errorf("%s: %v and %v", what, x, w)
		}
	}
	for range 2000 {
		now := time.Now()
		began := now.Add(-time.Duration(r.Int64N(int64(20 * time.Minute))))
		some := func() time.Duration { return time.Duration(r.Int64N(int64(30*time.Second))) * time.Duration(r.IntN(2)) }
		o := pool.OutageInfo{Outage: pool.Outage{Began: began, Detected: began.Add(some())}}
		o.Ended = o.Detected.Add(some())
		o.Dials = []time.Time{began.Add(some()), o.Ended, began.Add(-time.Second)}
		s := seenPool{Snapshot: pool.Snapshot{At: now, Outages: []pool.OutageInfo{o}, Stats: pool.Stats{
			MaxConns: r.IntN(9), Conns: r.IntN(9), InUse: r.IntN(4), Idle: r.IntN(4), Quarantined: r.IntN(2), Dialing: r.IntN(3),
		}}, runs: []run{{"well", began, now}, {"suspect", now, now}, {"busy", now.Add(-time.Hour), now.Add(-30 * time.Minute)}}}
		s.Stats.Conns = s.Stats.InUse + s.Stats.Idle + s.Stats.Quarantined
		p := s.report(query{}, veil{})
		for _, piece := range slices.Concat(p.Timeline(), p.Places()) {
			inside(piece.Class, piece.X, piece.W)
		}
		inside("silence", 0, p.Last[0].Silence())
		inside("rest", p.Last[0].Silence(), p.Last[0].Rest())
		for _, x := range p.Last[0].Ticks() {
			inside("tick", x, 0)
		}
	}
}

func TestDurationsAreShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-1: "–", 0: "0 µs", 340 * time.Microsecond: "340 µs", 12*time.Millisecond + 1: "12 ms", 4260 * time.Millisecond: "4.2 s", 5 * time.Second: "5 s",
		42*time.Second + 1: "42 s", 119 * time.Second: "119 s", 200 * time.Second: "3 min 20 s", 83 * time.Minute: "83 min", 125 * time.Minute: "2 h 5 min", 72 * time.Hour: "3 d", 50 * time.Hour: "2 d 2 h",
	} {
		if got := seconds(d).human(); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-1: "–", 340 * time.Millisecond: "0.3 s", time.Second: "1 s"} {
		if got := seconds(d).tenths(); got != want {
			t.Errorf("%v in tenths: %s, want %s", d, got, want)
		}
	}
}

// In an outage there is no connection that could tell.
func TestThePromiseIsToldByTheLastThatDiedIfNoneIsLeft(t *testing.T) {
	t.Parallel()
	s := outageSnapshot(t)
	s.Conns = nil
	if got := at(decoded(t, Handler(always(s)), "/"), "pools", 0, "promise_s"); got != nil {
		t.Errorf("%v, of nobody", got)
	}
	s.Outages[0].Death = &health.DeadError{Cause: health.KeepAliveTimeout, Promised: 3 * time.Second}
	s.Outages[1].Death = &health.DeadError{Cause: health.PeerClosed}
	if got := at(decoded(t, Handler(always(s)), "/"), "pools", 0, "promise_s"); got != 3.0 {
		t.Errorf("%v", got)
	}
	if text := get(Handler(always(s)), "/", "Accept", "*/*").Body.String(); !strings.Contains(text, "none is open") {
		t.Errorf("%s", text)
	}
}

// Every state of a pool has a place in the order, a shape and a colour.
func TestEveryStateIsKnown(t *testing.T) {
	t.Parallel()
	for _, state := range stateOrder {
		of := map[string]string{`<symbol id="` + state + `"`: pageHTML, ".s-" + state: style}
		if state != "degraded" { // of a cluster, which has no timeline
			of[".p-"+state] = style
		}
		for what, in := range of {
			if !strings.Contains(in, what) {
				t.Errorf("%s: there is no %s", state, what)
			}
		}
	}
}

func TestAnErrorThatIsHiddenSaysOfWhichKindItIs(t *testing.T) {
	t.Parallel()
	v := newVeil(true)
	for want, err := range map[string]error{
		"":                               nil,
		"peer_closed":                    fmt.Errorf("10.0.0.1: %w", io.EOF),
		"an error that is not shown":     errRefused,
		health.KeepAliveTimeout.String(): &health.DeadError{Cause: health.KeepAliveTimeout},
	} {
		if got := v.err(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
