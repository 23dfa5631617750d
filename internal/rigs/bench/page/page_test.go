package page_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"example.com/hale/internal/rigs/bench/page"
)

func TestASectionIsMarkdown(t *testing.T) {
	t.Parallel()
	s := page.Section{
		Title: "Checkout", About: "What it costs.\n",
		Tables: []page.Table{{Title: "ns", Columns: []string{"pool", "a|b"}, Rows: [][]string{{"hale", "1"}}, Reading: []string{"One.", "Two."}}},
		Plots:  []page.Plot{{File: "x.svg", Title: "X"}},
	}
	var b strings.Builder
	s.Write(&b)
	want := "## Checkout\n\nWhat it costs.\n\n**ns**\n\n| pool | a\\|b |\n| --- | --- |\n| hale | 1 |\n\nOne.\nTwo.\n\n![X](x.svg)\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestAGoalIsMetOrMissed(t *testing.T) {
	t.Parallel()
	var s page.Section
	if got := s.Miss(true, "at most 3 %", "2 %"); got != "Goal met: at most 3 %; it is 2 %." || len(s.Missed) != 0 {
		t.Errorf("%q, %q", got, s.Missed)
	}
	if got := s.Miss(false, "at most 3 %", "4 %"); !strings.HasPrefix(got, "**Goal missed**") || len(s.Missed) != 1 {
		t.Errorf("%q, %q", got, s.Missed)
	}
}

// Whatever the points are, a plot is well-formed XML, and nothing in it is NaN.
func TestAPlotIsDrawnWhateverItsPoints(t *testing.T) {
	t.Parallel()
	for name, points := range map[string][]page.Point{
		"none":  nil,
		"one":   {{X: 1, Y: 1}},
		"zeros": {{X: 0, Y: 0}, {X: 0, Y: 0}},
		"many":  {{X: 0, Y: 0}, {X: 10, Y: 1e6}, {X: 1000, Y: 3}},
		"tiny":  {{X: 1e-9, Y: 1e-9}, {X: 2e-9, Y: 3e-9}},
	} {
		for _, log := range []bool{false, true} {
			svg := page.Plot{Title: "a < b & c", X: page.Axis{Log: log}, Y: page.Axis{Log: log}, Lines: []page.Line{{Name: "<l>", Points: points}}}.SVG()
			d := xml.NewDecoder(strings.NewReader(svg))
			for {
				_, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s, log %v: %v\n%s", name, log, err, svg)
				}
			}
			if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Errorf("%s, log %v:\n%s", name, log, svg)
			}
		}
	}
}

func TestPointsLieWhereTheirValuesAre(t *testing.T) {
	t.Parallel()
	svg := page.Plot{
		X: page.Axis{Log: true}, Y: page.Axis{},
		Lines: []page.Line{{Points: []page.Point{{X: 1, Y: 0}, {X: 10, Y: 50}, {X: 100, Y: 100}}}},
	}.SVG()
	// From 64 to 570 and from 278 up to 28; the middle is in the middle of both.
	if !strings.Contains(svg, "M64.0 278.0L317.0 153.0L570.0 28.0") {
		t.Error(svg)
	}
}

func TestALineIsBrokenWhereThereIsNothingOfIt(t *testing.T) {
	t.Parallel()
	svg := page.Plot{
		Y:     page.Axis{Log: true},
		Lines: []page.Line{{Points: []page.Point{{X: 0, Y: 100}, {X: 1, Y: 0}, {X: 2, Y: 1}, {X: 3, Y: 1}, {X: 4, Y: 0}}}, {Points: []page.Point{{X: 4, Y: 1}}}},
	}.SVG()
	for _, want := range []string{`d="M64.0 28.0h0"`, `d="M317.0 278.0L443.5 278.0"`, `d="M570.0 278.0h0"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
}

func TestListsAreEnglish(t *testing.T) {
	t.Parallel()
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a and b": {"a", "b"}, "a, b and c": {"a", "b", "c"}} {
		if got := page.List(words); got != want {
			t.Errorf("%q: %q", words, got)
		}
	}
}
