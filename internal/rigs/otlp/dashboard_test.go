package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

const (
	dashboardFile = "../../../examples/tracing/dashboard.json"
	composeFolder = "../../../examples/tracing/compose/"
)

// dashboard is what the test needs of Grafana's.
type dashboard struct {
	Panels []struct {
		ID      int    `json:"id"`
		Type    string `json:"type"`
		Title   string `json:"title"`
		GridPos struct {
			X, Y, W, H int
		} `json:"gridPos"`
		Targets []struct {
			Expr string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
	Templating struct {
		List []struct {
			Name  string          `json:"name"`
			Query json.RawMessage `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	unmarshal(t, text, &d)
	return d
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// variables are what Grafana puts in place of them.
var variables = strings.NewReplacer("$pool", ".*", "$promise", "30", "$__rate_interval", "1m")

// query is one of a panel's, as Grafana sends it.
type query struct{ panel, expr string }

func (d dashboard) queries() (list []query) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			list = append(list, query{p.Title, variables.Replace(target.Expr)})
		}
	}
	return list
}

func TestTheDashboardIsInOrder(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	cells := make(map[[2]int]string)
	ids := make(map[int]string)
	for _, p := range d.Panels {
		if other, taken := ids[p.ID]; taken {
			t.Errorf("%q and %q have the ID %d", p.Title, other, p.ID)
		}
		ids[p.ID] = p.Title
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%q shows nothing", p.Title)
		}
		g := p.GridPos
		if g.X+g.W > 24 {
			t.Errorf("%q is off the screen", p.Title)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
	for _, q := range d.queries() {
		if strings.Contains(q.expr, "$") {
			t.Errorf("%q: unknown variable in %s", q.panel, q.expr)
		}
	}
}

// haleNames are the names of metrics and attributes that package otelhale has,
// as Prometheus writes them without suffixes.
func haleNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, file := range []string{"metrics.go", "attributes.go"} {
		source, err := os.ReadFile("../../../otel/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, quoted := range regexp.MustCompile(`"hale\.[a-z._]+"`).FindAllString(string(source), -1) {
			names[strings.ReplaceAll(strings.Trim(quoted, `"`), ".", "_")] = true
		}
	}
	return names
}

var suffix = regexp.MustCompile(`(_seconds|_bytes)?_(bucket|count|sum|total)$`)

func TestDashboardAndAlertsNameWhatHaleRecords(t *testing.T) {
	t.Parallel()
	names := haleNames(t)
	texts := map[string]string{}
	for _, q := range readDashboard(t).queries() {
		texts[q.panel] += q.expr + "\n"
	}
	alerts, err := os.ReadFile(composeFolder + "alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	texts["alerts.yaml"] = string(alerts)
	for where, text := range texts {
		used := regexp.MustCompile(`hale_[a-z_]+`).FindAllString(text, -1)
		if len(used) == 0 && !strings.Contains(text, "vector(") {
			t.Errorf("%s is about nothing of hale's", where)
		}
		for _, name := range used {
			if !names[name] && !names[suffix.ReplaceAllString(name, "")] {
				t.Errorf("%s: hale records no %s", where, name)
			}
		}
	}
}
