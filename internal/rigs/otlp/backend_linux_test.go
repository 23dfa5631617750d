package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/backend"
)

const service = "orders-client"

// story is an outage that was sent to real backends.
type story struct {
	jaeger     *backend.Jaeger
	prometheus *backend.Prometheus
	report     string    // what the program printed
	frozen     time.Time // when the server had just been frozen
	trace      []backend.Span
	detection  backend.Span // the root of trace
	outage     backend.Span
}

// The jobs of Prometheus.
const (
	scraped = "scraped" // the program's own /metrics
	pushed  = "pushed"  // by OTLP to Jaeger, which has them for Prometheus
)

func TestRealBackendsTellOfTheOutage(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	s := &story{jaeger: backend.StartJaeger(t, composeFolder+"jaeger.yaml")}
	p := start(t, s.jaeger.OTLP, "-service", service, "-prometheus", backend.FreeAddrs(t, 1)[0])
	s.prometheus = backend.StartPrometheus(t, backend.PrometheusConfig{
		Targets: map[string]string{scraped: p.prometheus, pushed: s.jaeger.Metrics},
		Rules:   composeFolder + "alerts.yaml",
	})
	p.frozen = func() {
		s.frozen = time.Now()
		t.Run("Jaeger shows it while it lasts", s.testWhileItLasts)
	}
	p.healthy = func() {
		for _, job := range []string{scraped, pushed} {
			t.Run("Prometheus has the numbers "+job, func(t *testing.T) { s.testNumbers(t, job) })
		}
		t.Run("the dashboard shows them", s.testDashboard)
		t.Run("the alert was on its way", s.testAlert)
	}
	var out strings.Builder
	if err := p.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	s.report = out.String()
	if !t.Run("Jaeger finds it by its cause", s.testSearch) {
		return
	}
	t.Run("it begins with the silence", s.testBeginning)
	t.Run("it says what happened", s.testAttributes)
	t.Run("the attempts are in it", s.testAttempts)
	t.Run("it leads to the victims", s.testVictims)
	t.Run("exemplars lead to it", s.testExemplars)
	t.Run("the metrics agree with it", s.testAgreement)
}

// eventually calls f until it does not fail any more.
func eventually(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = f(t.Context()); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// testWhileItLasts: the server is frozen, and stays so until this returns.
func (s *story) testWhileItLasts(t *testing.T) {
	eventually(t, func(ctx context.Context) error {
		ids, err := s.jaeger.Find(ctx, backend.Search{Service: service, Name: "detection orders"})
		if err != nil || len(ids) != 1 {
			return fmt.Errorf("found %q, %w", ids, err)
		}
		if s.trace, err = s.jaeger.Trace(ctx, ids[0]); err != nil {
			return err
		}
		roots := s.children("")
		if len(roots) != 1 {
			return fmt.Errorf("the roots are %v", roots)
		}
		if attempts := s.children(roots[0].ID); len(attempts) < 2 {
			return fmt.Errorf("the attempts are %v", attempts)
		}
		return nil
	})
	if t.Failed() {
		return
	}
	known := make(map[string]bool)
	for _, span := range s.trace {
		known[span.ID] = true
	}
	for _, span := range s.trace {
		if span.Parent != "" && !known[span.Parent] {
			t.Errorf("%q has a parent that Jaeger does not know", span.Name)
		}
		if strings.HasPrefix(span.Name, "outage ") {
			t.Error("the outage is over already")
		}
	}
	a := s.children("")[0].Attributes
	if cause, _ := a["hale.cause"].(string); !slices.Contains(silent, cause) || a["hale.outage.id"] != int64(1) || a["hale.pool.name"] != "orders" {
		t.Errorf("the detection has %v", a)
	}
}

// value is that of an expression that has one.
func (s *story) value(ctx context.Context, expr string) (float64, error) {
	samples, err := s.prometheus.Query(ctx, expr)
	if err != nil {
		return 0, err
	}
	if len(samples) != 1 {
		return 0, fmt.Errorf("%s: %v, want one value", expr, samples)
	}
	return samples[0].Value, nil
}

// testNumbers runs while the pool is whole again and still open.
func (s *story) testNumbers(t *testing.T, job string) {
	job = fmt.Sprintf(`{job=%q,hale_pool_name="orders"`, job)
	for _, want := range []struct {
		expr  string
		value float64
	}{
		{`hale_connection_limit` + job + `}`, 6},
		{`sum(hale_connection_count` + job + `})`, 6},
		{`hale_connection_count` + job + `,hale_connection_state="used"}`, 0},
		{`hale_connection_pending_acquires` + job + `}`, 0},
		{`hale_outage_active` + job + `}`, 0},
		{`max_over_time(hale_outage_active` + job + `}[1m])`, 1},
		{`hale_outage_duration_seconds_count` + job + `}`, 1},
		{`hale_outage_duration_seconds_bucket` + job + `,error_type=~"` + strings.Join(silent, "|") + `",le=~"2(.0)?"}`, 0},
		{`sum(hale_deaths_total` + job + `})`, 6},
		{`sum(hale_deaths_total` + job + `,hale_cause=~"` + strings.Join(silent, "|") + `"})`, 6},
		{`sum(hale_detection_duration_seconds_count` + job + `})`, 6},
		{`sum(hale_detection_duration_seconds_bucket` + job + `,le=~"1(.0)?"})`, 0}, // none before its time
		{`sum(hale_detection_duration_seconds_bucket` + job + `,le=~"10(.0)?"})`, 6},
		{`hale_reconnect_duration_seconds_count` + job + `}`, 1},
		{`sum(hale_detection_share_count` + job + `})`, 6},
		{`sum(hale_detection_share_bucket` + job + `,le=~"0.5"})`, 0},
		{`sum(hale_detections_late_total` + job + `})`, 0},
		{`hale_connection_sent_bytes_total` + job + `} > bool hale_connection_retransmitted_bytes_total` + job + `}`, 1},
		{`hale_connection_rtt_seconds_count` + job + `} > bool 0`, 1},
		{`hale_connection_unanswered_probes_sum` + job + `} > bool 0`, 1},
		{`hale_connection_in_flight_bytes_count` + job + `} > bool 0`, 1},
		{`hale_pool_unmonitored` + job + `}`, 0},
		{`hale_reconnect_attempts_total` + job + `,error_type=""}`, 1},
	} {
		eventually(t, func(ctx context.Context) error {
			got, err := s.value(ctx, want.expr)
			if err == nil && got != want.value {
				err = fmt.Errorf("%s is %v, want %v", want.expr, got, want.value)
			}
			return err
		})
	}
}

// quiet are the panels that have nothing to show of this outage: the pool's
// idle connections are not checked, and no suspect answers again.
var quiet = []query{
	{"Heartbeats", "hale_heartbeats_total"},
	{"Suspects and recoveries", "hale_recoveries_total"},
}

func (s *story) testDashboard(t *testing.T) {
	d := readDashboard(t)
	for _, q := range d.queries() {
		mute := slices.ContainsFunc(quiet, func(of query) bool { return of.panel == q.panel && strings.Contains(q.expr, of.expr) })
		eventually(t, func(ctx context.Context) error {
			samples, err := s.prometheus.Query(ctx, q.expr)
			if err == nil && len(samples) == 0 && !mute {
				err = errors.New("nothing")
			}
			if err != nil {
				return fmt.Errorf("panel %q: %s: %w", q.panel, q.expr, err)
			}
			return nil
		})
	}
	var pool struct{ Query string }
	for _, v := range d.Templating.List {
		if v.Name == "pool" {
			unmarshal(t, v.Query, &pool)
		}
	}
	if want := "label_values(hale_connection_limit, hale_pool_name)"; pool.Query != want {
		t.Fatalf("the variable pool is %q, want %q", pool.Query, want)
	}
	names, err := s.prometheus.Values(t.Context(), "hale_pool_name", "hale_connection_limit")
	if err != nil || !slices.Equal(names, []string{"orders"}) {
		t.Errorf("the pools are %q, %v", names, err)
	}
}

// testAlert: the outage is shorter than the minute after which it is one for
// a human.
func (s *story) testAlert(t *testing.T) {
	got, err := s.value(t.Context(), `max_over_time(ALERTS{alertname="HaleOutage",hale_pool_name="orders",alertstate="pending"}[1m])`)
	if err != nil || got != 1 {
		t.Errorf("pending: %v, %v", got, err)
	}
}

// silent are the causes of death that a server has which has fallen silent: of
// connections that are idle, and of those that wait for a reply. Which notices
// it first, and gives the outage its cause, is chance.
var silent = []string{"keepalive_timeout", "send_timeout"}

// testSearch finds the outage, as somebody does who knows the service and a
// cause.
func (s *story) testSearch(t *testing.T) {
	var ids []string
	eventually(t, func(ctx context.Context) error {
		ids = nil
		for _, cause := range silent {
			found, err := s.jaeger.Find(ctx, outageBy(cause))
			if err != nil {
				return err
			}
			ids = append(ids, found...)
		}
		// Jaeger looks at events, too, so both causes may lead there.
		if ids = slices.Compact(ids); len(ids) != 1 {
			return fmt.Errorf("found %q, want one", ids)
		}
		return nil
	})
	if !strings.Contains(s.report, ids[0]) {
		t.Errorf("no %s in\n%s", ids[0], s.report)
	}
	if other, err := s.jaeger.Find(t.Context(), outageBy("reset")); err != nil || len(other) != 0 {
		t.Errorf("of another cause: %q, %v", other, err)
	}
	spans, err := s.jaeger.Trace(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	s.trace = spans
	roots := s.children("")
	if len(roots) != 1 || roots[0].Name != "detection orders" {
		t.Fatalf("the roots are %v", roots)
	}
	s.detection = roots[0]
	outages := slices.DeleteFunc(s.children(s.detection.ID), func(span backend.Span) bool { return span.Name != "outage orders" })
	if len(outages) != 1 {
		t.Fatalf("the outages are %v", outages)
	}
	s.outage = outages[0]
}

func outageBy(cause string) backend.Search {
	return backend.Search{Service: service, Name: "outage orders", Attributes: map[string]string{"hale.cause": cause}}
}

func (s *story) children(parent string) []backend.Span {
	return slices.DeleteFunc(slices.Clone(s.trace), func(span backend.Span) bool { return span.Parent != parent })
}

const (
	// justBefore is more than the time between two requests of the workers,
	// with room for a machine that is busy.
	justBefore = 500 * time.Millisecond
	// justAfter is how long a kernel may put off the acknowledgement of a
	// request that has arrived: the frozen server's still sends it.
	justAfter = 250 * time.Millisecond
)

func (s *story) testBeginning(t *testing.T) {
	after := s.outage.Start.Time().Sub(s.frozen)
	t.Logf("the silence begins %v after the freeze", after)
	if after < -justBefore || after > justAfter {
		t.Errorf("the silence begins %v after the freeze, want %v to %v", after, -justBefore, justAfter)
	}
}

func (s *story) testAttributes(t *testing.T) {
	a := s.outage.Attributes
	cause, _ := a["hale.cause"].(string)
	if !slices.Contains(silent, cause) {
		t.Errorf("hale.cause is %v", a["hale.cause"])
	}
	for key, want := range map[string]any{
		"error.type": cause, "hale.pool.name": "orders",
		"hale.outage.id": int64(1), "hale.outage.healed": true, "hale.outage.lost": int64(6),
		"hale.window.earliest": 1.0, "hale.window.latest": 2.0,
	} {
		if a[key] != want {
			t.Errorf("%s is %v, want %v", key, a[key], want)
		}
	}
	length := s.outage.End.Time().Sub(s.outage.Start.Time())
	for key, want := range map[string][2]time.Duration{
		"hale.detection.duration": {900 * time.Millisecond, length}, // a keepalive interval, less an acknowledgement that was put off
		"hale.outage.duration":    {length - time.Millisecond, length + time.Millisecond},
	} {
		got, ok := a[key].(float64)
		if took := time.Duration(got * float64(time.Second)); !ok || took < want[0] || took > want[1] {
			t.Errorf("%s is %v, want %v to %v", key, a[key], want[0], want[1])
		}
	}
	if !s.outage.Failed() {
		t.Error("its status is no error")
	}
}

func (s *story) testAttempts(t *testing.T) {
	inside := s.children(s.outage.ID)
	if len(inside) != 1 || inside[0].Name != "reconnect orders" {
		t.Fatalf("in the outage is %v", inside)
	}
	reconnect := inside[0]
	attempts := slices.DeleteFunc(s.children(s.detection.ID), func(span backend.Span) bool { return span.ID == s.outage.ID })
	slices.SortFunc(attempts, func(a, b backend.Span) int { return int(a.Start - b.Start) })
	// An attempt whose time was over while this process stood still dials once more.
	if want, _ := reconnect.Attributes["hale.reconnect.attempts"].(int64); want < 2 || int64(len(attempts)) < want || int64(len(attempts)) > 2*want {
		t.Fatalf("%d attempts, want %v", len(attempts), want)
	}
	for i, a := range attempts {
		if last := i == len(attempts)-1; !strings.HasPrefix(a.Name, "connect ") || a.Failed() == last {
			t.Errorf("attempt %d: %q, failed %t", i+1, a.Name, a.Failed())
		}
	}
}

// testVictims: who had a connection that died has a link to it, in the
// outage's span, and tells of it in a span of its own.
func (s *story) testVictims(t *testing.T) {
	if len(s.outage.Links) == 0 {
		t.Fatal("it has no links")
	}
	for _, l := range s.outage.Links {
		spans, err := s.jaeger.Trace(t.Context(), l.Trace)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(spans, func(span backend.Span) bool { return span.ID == l.Span })
		if l.Attributes["hale.link"] != "victim" || i < 0 {
			t.Errorf("link %v leads to none of %v", l, spans)
			continue
		}
		detected := slices.ContainsFunc(spans[i].Events, func(e backend.Event) bool { return e.Name == "hale.detected" })
		if spans[i].Name != "request" || !spans[i].Failed() || !detected {
			t.Errorf("the victim is %+v", spans[i])
		}
	}
}

func (s *story) testExemplars(t *testing.T) {
	for _, job := range []string{scraped, pushed} {
		eventually(t, func(ctx context.Context) error {
			list, err := s.prometheus.Exemplars(ctx, fmt.Sprintf(`hale_outage_duration_seconds_bucket{job=%q}`, job))
			if err == nil && !slices.ContainsFunc(list, func(labels map[string]string) bool { return labels["trace_id"] == s.outage.Trace }) {
				err = fmt.Errorf("%s: exemplars %v, want trace %s", job, list, s.outage.Trace)
			}
			return err
		})
	}
}

// testAgreement compares the deaths that were counted with those in the trace.
func (s *story) testAgreement(t *testing.T) {
	lost := make(map[string]float64)
	for _, e := range s.outage.Events {
		if e.Name == "hale.lost" {
			lost[e.Attributes["hale.cause"].(string)]++
		}
	}
	if len(lost) == 0 {
		t.Error("the trace tells of no connection that was lost")
	}
	for cause, want := range lost {
		for _, job := range []string{scraped, pushed} {
			got, err := s.value(t.Context(), fmt.Sprintf(`max_over_time(hale_deaths_total{job=%q,hale_cause=%q}[1m])`, job, cause))
			if err != nil || got != want {
				t.Errorf("%s: %v deaths by %s, %v, want %v", job, got, cause, err, want)
			}
		}
	}
}

func TestTheAlertRulesFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		testnet.Missing(t, "promtool (Debian package prometheus)")
	}
	for _, args := range [][]string{{"check", "config", composeFolder + "prometheus.yaml"}, {"test", "rules", "testdata/alerts_test.yaml"}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, promtool, args...).CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
