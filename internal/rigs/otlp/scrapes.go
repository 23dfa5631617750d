package main

import (
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
)

// scrapes serves /metrics.
type scrapes struct {
	registry *prometheus.Registry
	server   *http.Server
	served   sync.WaitGroup
}

// newScrapes returns a reader that is to belong to a provider, and what serves
// its numbers then.
func newScrapes() (*scrapes, metric.Reader, error) {
	s := &scrapes{registry: prometheus.NewRegistry()}
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(s.registry))
	return s, reader, err
}

// serve answers on l until stop.
func (s *scrapes) serve(l net.Listener) {
	mux := http.NewServeMux()
	// Exemplars, which lead to traces, are in OpenMetrics only.
	mux.Handle("/metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: patience}
	s.served.Go(func() { _ = s.server.Serve(l) }) // it fails when it is stopped
}

// stop returns when nothing is served any more.
func (s *scrapes) stop() {
	_ = s.server.Close() // the listener's error helps nobody
	s.served.Wait()
}
