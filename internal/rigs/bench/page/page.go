// Package page is docs/BENCHMARKS.md: sections of tables and pictures, with what
// is to be read out of them, as Markdown and SVG.
package page

import (
	"fmt"
	"io"
	"strings"
)

// A Section is one question and what was measured to answer it.
type Section struct {
	Title  string
	About  string // what is done, how it is counted, and what a reader has to know of it
	Tables []Table
	Plots  []Plot
	Missed []string // goals, each with its figure
	Broken []string // what must not be, such as an allocation where none is allowed
}

// A Table is what was measured, and how it is to be read.
type Table struct {
	Title   string
	Columns []string
	Rows    [][]string
	Reading []string // one sentence each, first of what rivals do better
}

// Miss notes that a goal was missed unless it was met, and returns the sentence
// that says which.
func (s *Section) Miss(met bool, goal, figure string) string {
	if met {
		return fmt.Sprintf("Goal met: %s; it is %s.", goal, figure)
	}
	s.Missed = append(s.Missed, fmt.Sprintf("%s; it is %s", goal, figure))
	return fmt.Sprintf("**Goal missed**: %s; it is %s.", goal, figure)
}

// Write writes the section as Markdown; plots are links to the files that they
// are written to.
func (s *Section) Write(w io.Writer) {
	fmt.Fprintf(w, "## %s\n\n%s\n", s.Title, strings.TrimSpace(s.About))
	for _, t := range s.Tables {
		t.write(w)
	}
	for _, p := range s.Plots {
		fmt.Fprintf(w, "\n![%s](%s)\n", p.Title, p.File)
	}
}

func (t Table) write(w io.Writer) {
	if t.Title != "" {
		fmt.Fprintf(w, "\n**%s**\n", t.Title)
	}
	if len(t.Rows) > 0 {
		fmt.Fprintln(w)
		line(w, t.Columns)
		line(w, dashes(len(t.Columns)))
		for _, r := range t.Rows {
			line(w, r)
		}
	}
	if len(t.Reading) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(t.Reading, "\n"))
	}
}

func line(w io.Writer, cells []string) {
	escaped := make([]string, len(cells))
	for i, c := range cells {
		escaped[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	fmt.Fprintf(w, "| %s |\n", strings.Join(escaped, " | "))
}

func dashes(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "---"
	}
	return all
}

// List is "a", "a and b", "a, b and c".
func List(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
