package report

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
)

func TestThePageHasEverySectionAndItsPictures(t *testing.T) {
	t.Parallel()
	all := []chapter{
		{"good", func(context.Context, figure.Effort) (page.Section, error) {
			return page.Section{Title: "Good", About: "It is.", Missed: []string{"to be better; it is not"}, Plots: []page.Plot{{File: "good.svg"}}}, nil
		}},
		{"bad", func(context.Context, figure.Effort) (page.Section, error) {
			return page.Section{Title: "Bad", About: "It is."}, errors.New("no server")
		}},
		{"greedy", func(context.Context, figure.Effort) (page.Section, error) {
			return page.Section{Title: "Greedy", Broken: []string{"it allocates"}}, nil
		}},
	}
	o := options{effort: figure.Normal, folder: t.TempDir()}
	err := o.run(t.Context(), all)
	if err == nil || err.Error() != "bad: no server\ngreedy: it allocates" {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(filepath.Join(o.folder, "BENCHMARKS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"`make bench`", "## Goals that were missed\n\n- Good: to be better; it is not.\n- Greedy: it allocates.\n",
		"## Good\n\nIt is.", "(good.svg)", "**Not measured**: no server.", "## Greedy",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if _, err := os.Stat(filepath.Join(o.folder, "good.svg")); err != nil {
		t.Error(err)
	}
	o.only = []string{"ugly"}
	if err := o.run(t.Context(), all); err == nil || !strings.Contains(err.Error(), "-only ugly") {
		t.Errorf("%v", err)
	}
}

func TestFlagsSayHowMuchIsMeasured(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]figure.Effort{"": figure.Normal, "-brief": figure.Brief, "-long": figure.Long} {
		o, err := parse(strings.Fields(args))
		if err != nil || o.effort != want {
			t.Errorf("%q: %v, %v", args, o.effort, err)
		}
	}
	if _, err := parse([]string{"-long", "-brief"}); err == nil {
		t.Error("long and brief")
	}
}
