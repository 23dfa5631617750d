package backend

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// Jaeger is a Jaeger that runs until the test ends. What it receives of
// metrics it has ready for Prometheus.
type Jaeger struct {
	OTLP    string // where it takes spans and metrics, by gRPC
	Metrics string // where it serves /metrics
	query   string // where it answers queries, by HTTP
}

// StartJaeger returns when Jaeger takes spans and answers queries. Its
// configuration is in a file that takes the addresses from the environment
// variables JAEGER_OTLP, JAEGER_METRICS, JAEGER_QUERY_HTTP and
// JAEGER_QUERY_GRPC. It ends the test by [testnet.Missing] if Jaeger has not
// been built.
func StartJaeger(t testing.TB, config string) *Jaeger {
	t.Helper()
	path, err := JaegerPath()
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		testnet.Missing(t, "Jaeger ("+err.Error()+"); in internal/rigs: go run ./backend/build")
	}
	free := FreeAddrs(t, 4)
	j := &Jaeger{OTLP: free[0], Metrics: free[1], query: free[2]}
	cmd := exec.Command(path, "--config="+config)
	cmd.Env = append(os.Environ(), "JAEGER_OTLP="+j.OTLP, "JAEGER_METRICS="+j.Metrics, "JAEGER_QUERY_HTTP="+j.query, "JAEGER_QUERY_GRPC="+free[3])
	d := launch(t, cmd)
	d.await(t, func() error { return get(t.Context(), j.query, "/api/v3/services", nil, nil) })
	for _, addr := range []string{j.OTLP, j.Metrics} {
		d.await(t, func() error { return reach(addr) })
	}
	return j
}

func reach(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

// Search is what to look for. The spans with the attributes are spans of the
// service and have the name; events count as their span's.
type Search struct {
	Service    string
	Name       string // of the span, or empty
	Attributes map[string]string
}

// Find returns the IDs of the traces of the last hour that have what is looked
// for, at most a hundred.
func (j *Jaeger) Find(ctx context.Context, s Search) ([]string, error) {
	tags, err := json.Marshal(s.Attributes)
	if err != nil {
		return nil, err
	}
	query := url.Values{
		"service": {s.Service}, "operation": {s.Name}, "tags": {string(tags)}, "limit": {"100"},
		"start": {micros(time.Now().Add(-time.Hour))}, "end": {micros(time.Now().Add(time.Minute))},
	}
	// The interface of Jaeger's own pages: /api/v3 cannot look for attributes.
	var answer struct {
		Data []struct {
			TraceID string `json:"traceID"`
		} `json:"data"`
	}
	if err := get(ctx, j.query, "/api/traces", query, &answer); err != nil {
		return nil, err
	}
	var ids []string
	for _, trace := range answer.Data {
		ids = append(ids, trace.TraceID)
	}
	return ids, nil
}

func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// Trace returns the spans of a trace; none if Jaeger does not know it.
func (j *Jaeger) Trace(ctx context.Context, id string) ([]Span, error) {
	var answer struct {
		Result struct {
			ResourceSpans []struct {
				ScopeSpans []struct {
					Spans []Span `json:"spans"`
				} `json:"scopeSpans"`
			} `json:"resourceSpans"`
		} `json:"result"`
	}
	err := get(ctx, j.query, "/api/v3/traces/"+id, nil, &answer)
	if status, ok := errors.AsType[*statusError](err); ok && status.code == http.StatusNotFound {
		return nil, nil
	}
	var spans []Span
	for _, resource := range answer.Result.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			spans = append(spans, scope.Spans...)
		}
	}
	return spans, err
}
