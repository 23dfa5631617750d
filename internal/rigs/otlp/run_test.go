package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/testnet"
)

// start is the program with a collector, and a short outage.
func start(t *testing.T, collector string, more ...string) rig {
	t.Helper()
	testnet.NeedFreeze(t)
	args := []string{"-otlp", collector, "-freeze-after", "500ms", "-thaw-after", "3500ms", "-run-on", "200ms"}
	o, err := parse(append(args, more...), nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	return rig{options: o, outside: out}
}

func TestSpansAndMetricsArriveAtACollector(t *testing.T) {
	t.Parallel()
	metrics := new(metricsSink)
	traces := serveFake(t, new(fake), metrics)
	var out strings.Builder
	if err := start(t, traces.addr).run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"outage orders", "reconnect orders", "acquire orders", "request"} {
		if traces.count(name) == 0 {
			t.Errorf("no span %q has arrived", name)
		}
	}
	// A gauge as well: it is there only while the pool is open.
	for _, name := range []string{"hale.deaths", "hale.outage.duration", "hale.connection.count"} {
		if !metrics.has(name) {
			t.Errorf("no metric %q has arrived", name)
		}
	}
	if want := "metrics  to " + traces.addr; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, &out)
	}
}

func TestACollectorOfTracesAloneGetsTheTraces(t *testing.T) {
	t.Parallel()
	traces := serveFake(t, new(fake), nil)
	var out strings.Builder
	if err := start(t, traces.addr).run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if got := traces.count("outage orders"); got != 1 {
		t.Errorf("%d outages have arrived", got)
	}
	if want := "metrics  not to " + traces.addr; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, &out)
	}
}

func TestSpansThatTheCollectorRefusesAreTold(t *testing.T) {
	t.Parallel()
	traces := serveFake(t, &fake{limit: 1}, nil)
	err := start(t, traces.addr).run(t.Context(), nil)
	wantFailure(t, err, exitCollector, traces.addr, "full")
}

func TestACollectorThatGoesAwayIsTold(t *testing.T) {
	t.Parallel()
	traces := serveFake(t, new(fake), new(metricsSink))
	p := start(t, traces.addr)
	var gone time.Time
	p.frozen = func() { traces.server.Stop(); gone = time.Now() }
	err := p.run(t.Context(), nil)
	wantFailure(t, err, exitCollector, "the collector at "+traces.addr)
	if took := time.Since(gone); took > p.ThawAfter+5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAnInterruptEndsIt(t *testing.T) {
	t.Parallel()
	p := start(t, serveFake(t, new(fake), new(metricsSink)).addr)
	ctx, interrupt := context.WithCancel(t.Context())
	var at time.Time
	p.frozen = func() { interrupt(); at = time.Now() }
	wantFailure(t, p.run(ctx, nil), program.Interrupted, "interrupted")
	if took := time.Since(at); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}
