package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// Prometheus is a Prometheus that runs until the test ends.
type Prometheus struct{ addr string }

// PrometheusConfig says what it does, twice a second.
type PrometheusConfig struct {
	Targets map[string]string // addresses to scrape, by the job's name
	Rules   string            // a file with rules, or empty
}

// StartPrometheus returns when Prometheus has begun to scrape, whether there is
// something to scrape yet or not. It ends the test by [testnet.Missing] without
// the program (Debian: prometheus).
func StartPrometheus(t testing.TB, c PrometheusConfig) *Prometheus {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		testnet.Missing(t, "prometheus (Debian package prometheus)")
	}
	p := &Prometheus{addr: FreeAddrs(t, 1)[0]}
	folder := t.TempDir()
	config := filepath.Join(folder, "prometheus.yml")
	if err := os.WriteFile(config, []byte(c.yaml(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	d := launch(t, exec.Command(path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address="+p.addr, "--log.level=warn", "--enable-feature=exemplar-storage"))
	d.await(t, func() error { return p.scrapes(t.Context(), len(c.Targets)) })
	return p
}

// scrapes fails until so many targets have been tried. Prometheus lets five
// seconds pass between reading its configuration and the first.
func (p *Prometheus) scrapes(ctx context.Context, want int) error {
	var answer struct {
		Data struct {
			ActiveTargets []struct {
				LastScrape time.Time `json:"lastScrape"` // zero before the first
			} `json:"activeTargets"`
		} `json:"data"`
	}
	if err := get(ctx, p.addr, "/api/v1/targets", nil, &answer); err != nil {
		return err
	}
	for _, target := range answer.Data.ActiveTargets {
		if !target.LastScrape.IsZero() {
			want--
		}
	}
	if want > 0 {
		return fmt.Errorf("%d targets are not scraped yet", want)
	}
	return nil
}

// yaml is the configuration file.
func (c PrometheusConfig) yaml(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}\n")
	if c.Rules != "" {
		rules, err := filepath.Abs(c.Rules)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "rule_files: [%q]\n", rules)
	}
	b.WriteString("scrape_configs:\n")
	for _, job := range slices.Sorted(maps.Keys(c.Targets)) {
		fmt.Fprintf(&b, "- {job_name: %q, static_configs: [{targets: [%q]}]}\n", job, c.Targets[job])
	}
	return b.String()
}

// Sample is a value of a series.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Query evaluates an expression for now. The error is Prometheus' own if the
// expression is wrong.
func (p *Prometheus) Query(ctx context.Context, expr string) ([]Sample, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string  `json:"metric"`
				Value  [2]json.RawMessage `json:"value"` // time, and the value as text
			} `json:"result"`
		} `json:"data"`
	}
	if err := get(ctx, p.addr, "/api/v1/query", url.Values{"query": {expr}}, &answer); err != nil {
		return nil, err
	}
	var samples []Sample
	for _, r := range answer.Data.Result {
		var text string
		if err := json.Unmarshal(r.Value[1], &text); err != nil {
			return nil, err
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		samples = append(samples, Sample{r.Metric, v})
	}
	return samples, nil
}

// Values returns the values of a label of the series that match.
func (p *Prometheus) Values(ctx context.Context, label, match string) ([]string, error) {
	var answer struct {
		Data []string `json:"data"`
	}
	err := get(ctx, p.addr, "/api/v1/label/"+label+"/values", url.Values{"match[]": {match}}, &answer)
	return answer.Data, err
}

// Exemplars returns the labels of the exemplars of the last hour that the
// series of an expression have.
func (p *Prometheus) Exemplars(ctx context.Context, expr string) ([]map[string]string, error) {
	var answer struct {
		Data []struct {
			Exemplars []struct {
				Labels map[string]string `json:"labels"`
			} `json:"exemplars"`
		} `json:"data"`
	}
	query := url.Values{
		"query": {expr},
		"start": {time.Now().Add(-time.Hour).Format(time.RFC3339)}, "end": {time.Now().Add(time.Minute).Format(time.RFC3339)},
	}
	if err := get(ctx, p.addr, "/api/v1/query_exemplars", query, &answer); err != nil {
		return nil, err
	}
	var labels []map[string]string
	for _, series := range answer.Data {
		for _, e := range series.Exemplars {
			labels = append(labels, e.Labels)
		}
	}
	return labels, nil
}
