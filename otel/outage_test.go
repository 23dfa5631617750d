package otelhale

import (
	"bytes"
	"context"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// An outage with everything in it: a request whose connection dies under it,
// an idle connection that dies with it, one that waits, three attempts that
// fail and one that succeeds.
func outageThatHeals(t *testing.T, r *recorder, cause health.Cause) (death *health.DeadError) {
	e := new(endpoint)
	p, _ := newPool(t, r.telemetry, e, func(c *pool.Config[*fakeConn]) { c.MinConns = 2; c.MaxConns = 2 })
	synctest.Wait()
	ctx, request := r.user().Start(t.Context(), "request")
	held := acquire(t, ctx, p)
	time.Sleep(time.Minute)
	e.set(errDialRefused, 10*time.Millisecond)
	death = held.Value().kill(cause)
	for _, c := range e.conns {
		if c.Err() == nil {
			c.kill(cause)
		}
	}
	request.End()
	held.Close()
	waiting, second := r.user().Start(t.Context(), "second request")
	got := make(chan pool.Conn[*fakeConn])
	go func() { got <- acquire(t, waiting, p) }()
	time.Sleep(3500 * time.Millisecond)
	e.set(nil, 10*time.Millisecond)
	(<-got).Release()
	second.End()
	time.Sleep(time.Minute)
	synctest.Wait()
	return death
}

func TestAnOutageTellsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		death := outageThatHeals(t, r, health.KeepAliveTimeout)
		t.Logf("\n%s", r.waterfall())

		outage, request, detection := r.one("outage orders"), r.one("request"), r.one("detection orders")
		if detection.Parent.IsValid() || detection.SpanContext.TraceID() == request.SpanContext.TraceID() {
			t.Error("the detection is not a root of its own")
		}
		if !outage.Parent.Equal(detection.SpanContext) {
			t.Error("the outage is not inside its detection's trace")
		}
		if !detection.StartTime.Equal(death.Since()) || !detection.EndTime.Equal(death.Detected) || detection.Status.Code != codes.Error {
			t.Errorf("the detection goes from %v to %v, %v", detection.StartTime, detection.EndTime, detection.Status)
		}
		has(t, "detection", detection.Attributes, map[string]any{
			"hale.pool.name": "orders", "error.type": "keepalive_timeout", "hale.cause": "keepalive_timeout", "hale.outage.id": 1,
			"hale.detection.duration": 3.0, "server.address": "orders.example", "server.port": 5432,
		})
		if !outage.StartTime.Equal(death.Since()) {
			t.Errorf("began at %v, the silence at %v", outage.StartTime, death.Since())
		}
		length := outage.EndTime.Sub(outage.StartTime)
		if length < 7*time.Second || length > 8*time.Second {
			t.Errorf("took %v", length)
		}
		has(t, "outage", outage.Attributes, map[string]any{
			"hale.pool.name": "orders", "error.type": "keepalive_timeout", "hale.cause": "keepalive_timeout",
			"hale.detection.duration": 3.0, "hale.outage.id": 1, "hale.outage.lost": 2, "hale.outage.waiters": 1,
			"hale.outage.healed": true, "hale.outage.duration": length.Seconds(),
			"server.address": "orders.example", "server.port": 5432,
		})
		if outage.Status.Code != codes.Error || outage.Status.Description != "keepalive_timeout" {
			t.Errorf("status %+v", outage.Status)
		}
		detected := events(outage, "hale.detected")
		if len(detected) != 1 || !detected[0].Time.Equal(death.Detected) {
			t.Errorf("detected: %+v", detected)
		}
		lost := events(outage, "hale.lost")
		if len(lost) != 2 {
			t.Fatalf("lost: %+v", lost)
		}
		// The first death and the beginning are told by two goroutines.
		if slices.Contains(lost[0].Attributes, keyInUse.Bool(false)) {
			lost[0], lost[1] = lost[1], lost[0]
		}
		has(t, "lost", lost[0].Attributes, map[string]any{"hale.cause": "keepalive_timeout", "hale.silence": 3.0, "hale.connection.in_use": true})
		has(t, "lost", lost[1].Attributes, map[string]any{"hale.connection.in_use": false})
		if len(outage.Links) != 1 || !outage.Links[0].SpanContext.Equal(request.SpanContext) {
			t.Errorf("links: %+v", outage.Links)
		} else {
			has(t, "link", outage.Links[0].Attributes, map[string]any{"hale.link": "victim"})
		}
	})
}

func TestARequestIsToldThatItsConnectionDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		death := outageThatHeals(t, r, health.SendTimeout)
		told := events(r.one("request"), "hale.detected")
		if len(told) != 1 || !told[0].Time.Equal(death.Detected) {
			t.Fatalf("%+v", told)
		}
		has(t, "event", told[0].Attributes, map[string]any{"error.type": "send_timeout", "hale.cause": "send_timeout", "hale.silence": 3.0, "hale.pool.name": "orders"})
		if more := r.one("second request").Events; len(more) != 0 {
			t.Errorf("a request that only waited has %+v", more)
		}
	})
}

// What the backend has been sent is well formed at any time: a span's parent, if it
// has one, is there before it.
func TestAnOutageIsVisibleWhileItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		e := new(endpoint)
		p, _ := newPool(t, r.telemetry, e, func(c *pool.Config[*fakeConn]) { c.MinConns = 1 })
		synctest.Wait()
		e.set(errDialRefused, 10*time.Millisecond)
		e.conns[0].kill(health.KeepAliveTimeout)
		time.Sleep(3500 * time.Millisecond) // and here the process is killed
		synctest.Wait()
		sent := r.spans.GetSpans()
		known := map[trace.SpanID]string{}
		attempts := 0
		for _, s := range sent { // in the order of their ends
			if parent, ok := known[s.Parent.SpanID()]; s.Parent.IsValid() && !ok {
				t.Errorf("%s has a parent that nobody knows", s.Name)
			} else if parent == "detection orders" && s.Name == "connect "+address {
				attempts++
			}
			known[s.SpanContext.SpanID()] = s.Name
		}
		detection := r.one("detection orders")
		has(t, "detection", detection.Attributes, map[string]any{"hale.cause": "keepalive_timeout", "hale.outage.id": 1})
		if attempts != 3 || len(r.all("outage orders")) != 0 {
			t.Errorf("%d attempts in the detection, of\n%s", attempts, r.waterfall())
		}
		p.Close()
		if outage := r.one("outage orders"); !outage.Parent.Equal(detection.SpanContext) {
			t.Error("the outage is in another trace")
		}
	})
}

// A head sampler decides by the root.
func TestOutagesHaveAProviderOfTheirOwn(t *testing.T) {
	for _, kept := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			head := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
			opts := []Option{WithTracerProvider(head)}
			all := tracetest.NewInMemoryExporter()
			if kept {
				opts = append(opts, WithOutageTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(all))))
			}
			r := record(t, opts...)
			outageThatHeals(t, r, health.KeepAliveTimeout)
			got := make(map[string]int)
			for _, s := range all.GetSpans() {
				got[s.Name]++
			}
			want := map[string]int{}
			if kept {
				want = map[string]int{"detection orders": 1, "outage orders": 1, "reconnect orders": 1, "connect " + address: 4}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("kept %t (-want +got):\n%s", kept, diff)
			}
		})
	}
}

func TestTheAttemptsAreBesideTheReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		outageThatHeals(t, r, health.KeepAliveTimeout)
		detection, outage, reconnect := r.one("detection orders"), r.one("outage orders"), r.one("reconnect orders")
		if !reconnect.Parent.Equal(outage.SpanContext) {
			t.Error("not inside the outage")
		}
		if reconnect.Status.Code != codes.Unset {
			t.Errorf("status %+v", reconnect.Status)
		}
		has(t, "reconnect", reconnect.Attributes, map[string]any{"hale.reconnect.attempts": 4, "hale.reconnect.backoff": 3.0, "hale.pool.name": "orders"})
		var attempts []tracetest.SpanStub
		for _, c := range r.all("connect " + address) {
			if c.Parent.Equal(detection.SpanContext) {
				attempts = append(attempts, c)
			}
		}
		told := events(reconnect, "hale.reconnect.attempt")
		if len(attempts) != 4 || len(told) != 4 {
			t.Fatalf("%d connects, %d events", len(attempts), len(told))
		}
		for i, c := range attempts {
			want := map[string]any{"hale.reconnect.attempt": i + 1, "hale.reconnect.pause": 1.0, "hale.reconnect.duration": 0.01, "error.type": "connection_refused"}
			code := codes.Error
			if i == 3 {
				want["error.type"], code = nil, codes.Unset
			}
			has(t, "event", told[i].Attributes, want)
			if c.Status.Code != code {
				t.Errorf("attempt %d: %+v", i+1, c.Status)
			}
		}
		if !reconnect.StartTime.Equal(attempts[0].StartTime) || !reconnect.EndTime.Equal(attempts[3].EndTime) {
			t.Error("not from the first attempt to the first success")
		}
	})
}

func TestEachSilentCauseMakesAnOutage(t *testing.T) {
	for cause := range health.Causes() {
		if !fates[cause].outage {
			continue
		}
		t.Run(cause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := record(t)
				outageThatHeals(t, r, cause)
				outage := r.one("outage orders")
				has(t, "outage", outage.Attributes, map[string]any{"error.type": cause, "hale.cause": cause, "hale.detection.duration": 3.0, "hale.outage.lost": 2})
				if n := r.series("hale.deaths", "hale.cause="+cause.String()+" hale.pool.name=orders").value; n != 2 {
					t.Errorf("%v deaths", n)
				}
				d := r.series("hale.detection.duration", "hale.cause="+cause.String()+" hale.pool.name=orders")
				if d.count != 2 || d.value != 6 {
					t.Errorf("detection %+v", d)
				}
				trace := outage.SpanContext.TraceID()
				if len(d.traced) == 0 || !bytes.Equal(d.traced[0], trace[:]) {
					t.Errorf("exemplars of %x, the outage is %v", d.traced, trace)
				}
			})
		})
	}
}

// A reset speaks for its connection only; that the endpoint is gone shows in
// the dial that follows.
func TestOtherCausesMakeAnOutageOnceADialFails(t *testing.T) {
	for cause := range health.Causes() {
		if fates[cause].outage || !fates[cause].death {
			continue
		}
		t.Run(cause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := record(t)
				outageThatHeals(t, r, cause)
				outage := r.one("outage orders")
				has(t, "outage", outage.Attributes, map[string]any{"error.type": cause, "hale.cause": cause})
				if len(outage.Links) != 1 || len(events(outage, "hale.lost")) != 2 {
					t.Errorf("%d links, %+v", len(outage.Links), outage.Events)
				}
				if n := r.series("hale.deaths", "hale.cause="+cause.String()+" hale.pool.name=orders").value; n != 2 {
					t.Errorf("%v deaths", n)
				}
				silent := len(points(r.metrics()["hale.detection.duration"]))
				if want := map[bool]int{true: 1}[fates[cause].silent]; silent != want {
					t.Errorf("%d series of detection durations, want %d", silent, want)
				}
			})
		})
	}
}

func TestAResetWithoutAnOutageIsOnlyCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		e := new(endpoint)
		p, _ := newPool(t, r.telemetry, e, func(c *pool.Config[*fakeConn]) { c.MinConns = 1 })
		synctest.Wait()
		e.conns[0].kill(health.Reset)
		time.Sleep(time.Minute)
		e.set(errDialRefused, 0)
		p.Invalidate("test") // a dial fails long after
		time.Sleep(10 * time.Second)
		e.set(nil, 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		outage := r.one("outage orders")
		has(t, "outage", outage.Attributes, map[string]any{"error.type": "connection_refused", "hale.cause": nil, "hale.detection.duration": 0.0})
		if len(events(outage, "hale.lost")) != 0 {
			t.Errorf("%+v", outage.Events)
		}
		if n := r.series("hale.deaths", "hale.cause=reset hale.pool.name=orders").value; n != 1 {
			t.Errorf("%v deaths", n)
		}
	})
}

func TestAnOutageThatDoesNotHealEndsWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		e := new(endpoint)
		p, _ := newPool(t, r.telemetry, e, nil)
		ctx, request := r.user().Start(t.Context(), "request")
		held := acquire(t, ctx, p)
		e.set(errDialRefused, 0)
		held.Value().kill(health.KeepAliveTimeout)
		time.Sleep(2500 * time.Millisecond)
		held.Release()
		p.Close()
		request.End()
		outage, reconnect := r.one("outage orders"), r.one("reconnect orders")
		has(t, "outage", outage.Attributes, map[string]any{
			"hale.outage.healed": false, "error.type": "keepalive_timeout", "hale.outage.lost": 1, "hale.outage.attempts": 2,
			"hale.outage.duration": 5.5,
		})
		if outage.Status.Code != codes.Error || outage.Status.Description != "not healed: keepalive_timeout" {
			t.Errorf("%+v", outage.Status)
		}
		has(t, "reconnect", reconnect.Attributes, map[string]any{"error.type": "pool_closed", "hale.reconnect.attempts": 2})
		if reconnect.Status.Code != codes.Error {
			t.Errorf("%+v", reconnect.Status)
		}
		if n := r.series("hale.outage.duration", "error.type=keepalive_timeout hale.pool.name=orders").count; n != 1 {
			t.Errorf("%d outages", n)
		}
	})
}

func TestVictimsWithoutASpanMakeNoLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		e := new(endpoint)
		p, _ := newPool(t, r.telemetry, e, nil)
		ctx, request := r.user().Start(t.Context(), "request")
		defer request.End()
		held := []pool.Conn[*fakeConn]{acquire(t, t.Context(), p), acquire(t, ctx, p), acquire(t, ctx, p)}
		for _, c := range held {
			c.Value().kill(health.KeepAliveTimeout)
			c.Release()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		outage := r.one("outage orders")
		if len(outage.Links) != 1 || !outage.Links[0].SpanContext.Equal(request.SpanContext()) {
			t.Errorf("%+v", outage.Links)
		}
	})
}

// The hooks of one outage may come from several goroutines, and in any order.
func TestAnOutageMayEndBeforeItsBeginningIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		orders, err := r.telemetry.Pool("orders")
		if err != nil {
			t.Fatal(err)
		}
		o, now := orders.Observer(), time.Now()
		info := pool.Outage{ID: 1, Began: now, Detected: now, Dial: errDialRefused}
		over := info
		over.Ended = now.Add(time.Second)
		next := pool.Outage{ID: 2, Began: now, Detected: now, Dial: errDialRefused}
		o.OutageEnd(over)
		o.OutageBegin(info)
		o.OutageBegin(next)
		next.Ended = now.Add(2 * time.Second)
		o.OutageEnd(next)
		if n := len(r.all("outage orders")); n != 2 {
			t.Errorf("%d outages", n)
		}
		o.OutageBegin(pool.Outage{ID: 3, Began: now, Detected: now, Dial: errDialRefused})
		o.Closed()
		o.OutageBegin(pool.Outage{ID: 4, Began: now, Detected: now, Dial: errDialRefused})
		if n := len(r.all("outage orders")); n != 3 {
			t.Errorf("%d outages", n)
		}
	})
}

var peer = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5432}

// The death says it; nobody has to observe the dials.
func TestAPoolTellsThePeerAndTheWindowOfADeath(t *testing.T) {
	r := record(t, WithPeerAddress())
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	o, now := orders.Observer(), time.Now()
	ctx, request := r.user().Start(t.Context(), "request")
	death := &health.DeadError{Cause: health.KeepAliveTimeout, Detected: now, Peer: peer, WindowEarliest: time.Second, WindowLatest: 2 * time.Second}
	o.Evict(pool.EvictInfo{Reason: pool.ReasonDead, Outage: 1, Err: death, InUse: true, Context: ctx})
	request.End()
	o.OutageBegin(pool.Outage{ID: 1, Began: now, Detected: now, Death: death})
	o.Evict(pool.EvictInfo{Reason: pool.ReasonSuspect, Err: &health.DeadError{Cause: health.HeartbeatFailed, Detected: now}, Conn: peerConn{}})
	o.Closed()
	has(t, "outage", r.one("outage orders").Attributes, map[string]any{
		"network.peer.address": "192.0.2.1", "network.peer.port": 5432, "network.type": "ipv4",
		"hale.window.earliest": 1.0, "hale.window.latest": 2.0,
	})
	has(t, "event", events(r.one("request"), "hale.detected")[0].Attributes, map[string]any{"network.peer.address": "192.0.2.1"})
	for _, cause := range []health.Cause{health.KeepAliveTimeout, health.HeartbeatFailed} {
		r.series("hale.deaths", "hale.cause="+cause.String()+" hale.pool.name=orders network.peer.address=192.0.2.1 network.peer.port=5432 network.type=ipv4")
	}
}

// peerConn only knows who its peer is.
type peerConn struct{ net.Conn }

func (peerConn) RemoteAddr() net.Addr { return peer }

// What a dial's error cannot tell, the deaths that follow do.
func TestAnOutageThatBeginsWithADialLearnsItsCause(t *testing.T) {
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	o, now := orders.Observer(), time.Now()
	info := pool.Outage{ID: 1, Began: now, Detected: now.Add(time.Second), Dial: errDialRefused}
	o.OutageBegin(info)
	info.Death = &health.DeadError{
		Cause: health.SendTimeout, Detected: now.Add(2 * time.Second),
		Peer: peer, WindowEarliest: time.Second, WindowLatest: 2 * time.Second,
	}
	info.Ended, info.Lost, info.Healed = now.Add(3*time.Second), 1, true
	o.OutageEnd(info)
	outage := r.one("outage orders")
	has(t, "outage", outage.Attributes, map[string]any{
		"hale.cause": "send_timeout", "error.type": "send_timeout", "hale.detection.duration": 1.0, "hale.outage.duration": 3.0,
		"network.peer.address": "192.0.2.1", "hale.window.earliest": 1.0, "hale.window.latest": 2.0,
	})
	if outage.Status.Description != "send_timeout" {
		t.Errorf("%+v", outage.Status)
	}
	if n := r.series("hale.outage.duration", "error.type=send_timeout hale.pool.name=orders").count; n != 1 {
		t.Errorf("%d outages of that cause", n)
	}
}

func TestDeathsThatNothingExplainsAreBounded(t *testing.T) {
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	o := orders.Observer()
	for range 3 * pendingMost {
		o.Evict(pool.EvictInfo{Reason: pool.ReasonDead, Outage: 1, Err: &health.DeadError{Cause: health.KeepAliveTimeout, Detected: time.Now()}, InUse: true, Context: context.Background()})
	}
	if n := len(orders.pending); n != pendingMost {
		t.Errorf("%d are kept", n)
	}
	o.Closed()
	if n := r.series("hale.deaths", "hale.cause=keepalive_timeout hale.pool.name=orders").value; n != 3*pendingMost {
		t.Errorf("%v were counted", n)
	}
}

func TestASpanThatDoesNotExistCannotBeLeftOut(t *testing.T) {
	_, err := New(WithoutSpans("outage", "acquires"))
	if want := `otelhale: WithoutSpans: no span is named "acquires"`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestSpansCanBeLeftOut(t *testing.T) {
	all := []string{"detection orders", "outage orders", "reconnect orders", "acquire orders", "connect " + address}
	for _, c := range []struct {
		off  []string
		want []string
	}{
		{nil, all},
		{[]string{"detection"}, all[1:]},
		{[]string{"outage"}, []string{all[0], all[2], all[3], all[4]}},
		{[]string{"detection", "reconnect"}, []string{all[1], all[3], all[4]}},
		{[]string{"acquire"}, []string{all[0], all[1], all[2], all[4]}},
		{[]string{"connect"}, all[:4]},
		{spanNames[:], nil},
		{[]string{"detection", "outage", "reconnect"}, all[3:]},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := record(t, WithoutSpans(c.off...))
			outageThatHeals(t, r, health.KeepAliveTimeout)
			var got []string
			parents := make(map[trace.SpanID]string)
			for _, s := range r.spans.GetSpans() {
				parents[s.SpanContext.SpanID()] = s.Name
				if !slices.Contains(got, s.Name) && slices.Contains(all, s.Name) {
					got = append(got, s.Name)
				}
			}
			slices.SortFunc(got, func(x, y string) int { return slices.Index(all, x) - slices.Index(all, y) })
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("without %v (-want +got):\n%s", c.off, diff)
			}
			if len(c.off) > 0 && c.off[0] == "detection" && len(c.off) < 3 {
				parent := map[bool]string{true: "outage orders", false: "reconnect orders"}[slices.Contains(c.off, "reconnect")]
				found := slices.ContainsFunc(r.all("connect "+address), func(s tracetest.SpanStub) bool { return parents[s.Parent.SpanID()] == parent })
				if !found {
					t.Errorf("without %v the attempts do not hang on %s", c.off, parent)
				}
			}
			if n := r.series("hale.deaths", "hale.cause=keepalive_timeout hale.pool.name=orders").value; n != 2 {
				t.Errorf("without %v: %v deaths", c.off, n)
			}
		})
	}
}

func TestAGreatOutageTellsOfItsBeginning(t *testing.T) {
	r := record(t)
	orders, err := r.telemetry.Pool("orders")
	if err != nil {
		t.Fatal(err)
	}
	o, now := orders.Observer(), time.Now()
	info := pool.Outage{ID: 1, Began: now, Detected: now, Dial: errDialRefused}
	o.OutageBegin(info)
	for range 500 {
		ctx, request := r.user().Start(t.Context(), "request")
		o.Evict(pool.EvictInfo{Reason: pool.ReasonDead, Outage: 1, Err: &health.DeadError{Cause: health.KeepAliveTimeout, Detected: now}, InUse: true, Context: ctx})
		request.End()
	}
	info.Ended, info.Lost = now.Add(time.Second), 500
	o.OutageEnd(info)
	outage := r.one("outage orders")
	if len(events(outage, "hale.detected")) != 1 || outage.DroppedEvents != 0 || outage.DroppedLinks != 0 || len(outage.Links) != linksMost {
		t.Errorf("%d events, %d links, %d and %d dropped", len(outage.Events), len(outage.Links), outage.DroppedEvents, outage.DroppedLinks)
	}
	has(t, "outage", outage.Attributes, map[string]any{"hale.outage.lost": 500})
}
