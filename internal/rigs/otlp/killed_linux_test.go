package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"example.com/hale/internal/lab/testnet"
)

// Nobody can say any more that the outage has ended: all else has been said.
func TestAProcessThatIsKilledInAnOutageHasToldAllButItsEnd(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	traces := serveFake(t, new(fake), new(metricsSink))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-otlp", traces.addr, "-freeze-after", "500ms", "-thaw-after", "1h")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for ctx.Err() == nil && (traces.count("detection orders") == 0 || len(failedConnects(traces)) < 2) {
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	if ctx.Err() != nil {
		t.Fatalf("the detection has not come\n%s", &out)
	}
	for _, name := range []string{"outage orders", "reconnect orders"} {
		if n := traces.count(name); n != 0 {
			t.Errorf("%d spans %q: it was over", n, name)
		}
	}
	told := traces.named("detection orders")
	if len(told) != 1 {
		t.Fatalf("%d detections", len(told))
	}
	beginsWithTheSilence(t, told[0], traces)
	for _, dial := range failedConnects(traces) {
		if string(dial.TraceId) != string(told[0].TraceId) || string(dial.ParentSpanId) != string(told[0].SpanId) {
			t.Errorf("%q, which failed with %q, is not below the detection", dial.Name, dial.GetStatus().GetMessage())
		}
	}
	if len(victims(traces)) == 0 {
		t.Error("no request says that its connection died")
	}
}

// beginsWithTheSilence compares a detection with the last reply that came.
func beginsWithTheSilence(t *testing.T, detection *trace.Span, traces *fake) {
	t.Helper()
	var last uint64
	for _, request := range traces.named("request") {
		if request.GetStatus().GetCode() != trace.Status_STATUS_CODE_ERROR {
			last = max(last, request.EndTimeUnixNano)
		}
	}
	// Acknowledgements count as well, and none comes later than a reply by more than the
	// kernel delays one, 40 ms (TCP_DELACK_MIN), and what the machine does meanwhile.
	off := time.Duration(detection.StartTimeUnixNano) - time.Duration(last)
	if last == 0 || off < -500*time.Millisecond || off > 500*time.Millisecond {
		t.Errorf("it begins %v after the last reply", off)
	}
	lasted := time.Duration(detection.EndTimeUnixNano - detection.StartTimeUnixNano).Seconds()
	if got := number(detection.Attributes, "hale.detection.duration"); got < lasted-0.001 || got > lasted+0.001 || lasted < 0.5 {
		t.Errorf("its duration is %v, and it lasted %v", got, lasted)
	}
	if len(detection.ParentSpanId) != 0 || detection.GetStatus().GetCode() != trace.Status_STATUS_CODE_ERROR {
		t.Errorf("the detection is below %x, with status %v", detection.ParentSpanId, detection.Status)
	}
}

// failedConnects is the dials that failed, as those of an outage do.
func failedConnects(traces *fake) (failed []*trace.Span) {
	traces.mu.Lock()
	defer traces.mu.Unlock()
	for _, span := range traces.spans {
		if strings.HasPrefix(span.Name, "connect ") && span.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR {
			failed = append(failed, span)
		}
	}
	return failed
}

// victims is the requests that say that their connection died.
func victims(traces *fake) (hit []*trace.Span) {
	for _, request := range traces.named("request") {
		for _, e := range request.Events {
			if e.Name == "hale.detected" {
				hit = append(hit, request)
			}
		}
	}
	return hit
}

// number is an attribute that is one.
func number(attributes []*common.KeyValue, key string) float64 {
	for _, a := range attributes {
		if a.Key == key {
			return a.GetValue().GetDoubleValue()
		}
	}
	return 0
}
