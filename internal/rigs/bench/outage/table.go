package outage

import (
	"fmt"
	"math"
	"time"

	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
)

var nan = math.NaN()

// bounds say what the time to the first answer is bound by, by the contestant's name.
var bounds = map[string]string{
	"hale":         "the kernel's retransmission timer, whose pace hale bounds; once it has given up, the pool's pause and the kernel's retry of a SYN",
	"puddle":       "the kernel's retransmission timer, which doubles; with a deadline, the dial's",
	"pgxpool":      "as puddle",
	"database/sql": "as puddle",
	"go-redis":     "its timeouts and retries",
	"grpc-go":      "its keepalive, and its backoff from 1 s on",
}

func table(trials []*trial, at times) page.Table {
	t := page.Table{Columns: []string{"client", "settings", "longest stall", "told", "errors", "first", "all", "dials a second", "bound"}}
	results := make([]result, len(trials))
	for i, tr := range trials {
		r := tr.result(at)
		results[i] = r
		stall := figure.Seconds(r.stall)
		if r.endless > 0 {
			stall = fmt.Sprintf("over %s (%d never ended)", stall, r.endless)
		}
		t.Rows = append(t.Rows, []string{
			tr.name, tr.settings, stall, figure.Nanoseconds(r.told), figure.Count(r.errs),
			figure.Nanoseconds(r.first), figure.Nanoseconds(r.all), figure.Number(r.dials), bounds[tr.name],
		})
	}
	t.Reading = append(read(trials, results), sources)
	return t
}

// read begins with who was back sooner, told sooner or stalled less than hale with
// the same kind of settings: defaults beside defaults.
func read(trials []*trial, results []result) (sentences []string) {
	for i, t := range trials {
		if t.name != "hale" {
			continue
		}
		for _, question := range questions {
			if who := beating(trials, results, i, question.of, question.format); len(who) > 0 {
				sentences = append(sentences, fmt.Sprintf("Beside hale with %s, %s (%s) with %s.", t.settings, question.what, question.format(question.of(results[i])), page.List(who)))
			}
		}
	}
	if len(sentences) == 0 {
		sentences = []string{"No rival does better than hale in any column."}
	}
	return sentences
}

// notable is the part of hale's figure that a rival's has to be below.
const notable = 0.9

var questions = []struct {
	what   string
	of     func(result) float64
	format func(float64) string
}{
	{"the first answer comes sooner", func(r result) float64 { return r.first }, figure.Nanoseconds},
	{"the longest stall is shorter", func(r result) float64 { return float64(r.stall) }, figure.Nanoseconds},
	{"there are fewer errors", func(r result) float64 { return float64(r.errs) }, figure.Number},
	{"there are fewer dials a second", func(r result) float64 { return r.dials }, figure.Number},
}

// beating are the rivals of a trial of hale that have notably less, each with its figure.
func beating(trials []*trial, results []result, hale int, of func(result) float64, format func(float64) string) (who []string) {
	for i, t := range trials {
		if theirs := of(results[i]); t.name != "hale" && t.limited == trials[hale].limited && theirs < notable*of(results[hale]) {
			who = append(who, t.name+" ("+format(theirs)+")")
		}
	}
	return who
}

// plot is the answers of each second.
func plot(trials []*trial, at times) page.Plot {
	p := page.Plot{
		File: "outage.svg", Title: "Answers a second; the server is frozen and thawed",
		X: page.Axis{Label: "seconds from the freeze"}, Y: page.Axis{Label: "answers a second"},
	}
	step := time.Second
	if at.end.Sub(at.begin) < 10*step {
		step /= 10
	}
	for i, t := range trials {
		name := t.name
		switch {
		case i == 0:
			name = "hale, defaults"
		case !t.limited:
			continue
		case i == 1:
			name = "hale, FailFast"
		case i == 2:
			name = "hale, Backoff to 1s"
		}
		p.Lines = append(p.Lines, page.Line{Name: name, Points: t.answers(at, step)})
	}
	return p
}

func (t *trial) answers(at times, step time.Duration) (points []page.Point) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make([]int, at.end.Sub(at.freeze)/step) // of whole steps
	for _, q := range t.requests {
		if n := q.to.Sub(at.freeze); q.err == nil && n >= 0 && int(n/step) < len(counts) {
			counts[n/step]++
		}
	}
	for i, n := range counts {
		points = append(points, page.Point{X: (time.Duration(i)*step + step/2).Seconds(), Y: float64(n) / step.Seconds()})
	}
	return points
}
