//go:build !race && !hale_sweep

package hale_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// What other pages quote of docs/BENCHMARKS.md is what stands there: after a run of
// make bench this test says which sentences have to be changed, and to what.
func TestFiguresThatAreQuotedAreThoseOfTheBenchmarks(t *testing.T) {
	t.Parallel()
	const alone, two, many = "P=2, 1 caller", "P=2, 2 callers", "P=2, 32 callers"
	of := func(title string) func(row, column string) string { return tableOf(t, "docs/BENCHMARKS.md", title) }
	memory, look := of("What vouches for nothing but by memory, 8 connections"), of("What looks at the socket, 8 connections")
	row := func(table func(row, column string) string, name, text, unit string) string {
		return fmt.Sprintf("| %s | %s%s | %s | %s |", text, short(t, table(name, alone)), unit, short(t, table(name, two)), short(t, table(name, many)))
	}
	for _, quote := range []struct{ file, text string }{
		{"docs/cost.md", row(memory, "channel", "a buffered channel, which can neither dial nor close", " times hale's")},
		{"docs/cost.md", row(memory, "hale", "hale, verified", "")},
		{"docs/cost.md", row(look, "hale+peek", "hale, used and looked at", "")},
		{"docs/cost.md", row(memory, "puddle", "puddle, not verified", " times hale's")},
		{"docs/cost.md", row(look, "puddle+peek", "puddle and a look at the socket", " times hale's with a look")},
		{"docs/cost.md", row(memory, "vitess", "Vitess's pool, not verified", " times hale's")},
		{"docs/cost.md", row(memory, "sql", "database/sql, not verified", " times hale's")},
		{"docs/README.md", short(t, memory("hale", many)) + " for a checkout"},
		{"README.md", fmt.Sprintf("An Acquire and its Release take %s alone and %s with 32 callers on 8 connections, verified; puddle %s and %s times as long, unverified",
			short(t, memory("hale", alone)), short(t, memory("hale", many)), short(t, memory("puddle", alone)), short(t, memory("puddle", many)))},
	} {
		text, err := os.ReadFile(quote.file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), quote.text) {
			t.Errorf("%s should say:\n%s", quote.file, quote.text)
		}
	}
}

// tableOf reads a table of a page, by its title.
func tableOf(t *testing.T, file, title string) (cell func(row, column string) string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n**"+title+"**\n\n")
	if !found {
		t.Fatalf("%s has no table %q", file, title)
	}
	table, _, _ := strings.Cut(after, "\n\n")
	lines := strings.Split(table, "\n")
	columns := strings.Split(lines[0], " | ")
	return func(row, column string) string {
		for _, line := range lines[1:] {
			cells := strings.Split(line, " | ")
			for i := range cells {
				if cells[0] == "| "+row && columns[i] == column {
					return cells[i]
				}
			}
		}
		t.Fatalf("%s, %q: there is no %q in column %q", file, title, row, column)
		return ""
	}
}

// short is a figure without its spread, to two digits if it is a ratio: "59 ns" of
// "59.0 ns ±2 %", "2.2" of "2.24× ±16 %".
func short(t *testing.T, cell string) string {
	t.Helper()
	value, _, _ := strings.Cut(cell, " ±")
	if ratio, is := strings.CutSuffix(value, "×"); is {
		x, err := strconv.ParseFloat(ratio, 64)
		if err != nil {
			t.Fatal(err)
		}
		digits := 1
		if x >= 10 {
			digits = 0
		} else if x < 1 {
			digits = 2
		}
		return strconv.FormatFloat(x, 'f', digits, 64)
	}
	return strings.Replace(value, ".0 ns", " ns", 1)
}
