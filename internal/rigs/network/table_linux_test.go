package network

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

var tableFlag = flag.Bool("table", false, "print what was measured, in all runs so far, as a Markdown table")

// The columns of the table.
const (
	columnIdle = iota
	columnBusy
	columnDial
	columnRecovery
	columns
)

const heading = `| what breaks | idle | request under way | a dial meanwhile | recovery |
|---|---|---|---|---|
`

// table is what was measured, in all runs of this process.
var table struct {
	mu    sync.Mutex // guards the rest
	names []string   // of the rows, in order
	cells map[string]*[columns]cell
}

// A cell is the texts that it has had, and the times that belong to them.
type cell map[string]times

type times struct{ least, most time.Duration }

// untimed is for what takes no time.
const untimed time.Duration = -1

// row adds a row, unless it is there.
func row(name string) {
	table.mu.Lock()
	defer table.mu.Unlock()
	if table.cells == nil {
		table.cells = make(map[string]*[columns]cell)
	}
	if table.cells[name] == nil {
		table.names = append(table.names, name)
		table.cells[name] = new([columns]cell)
	}
}

// record puts one measurement into a cell.
func record(name string, column int, text string, took time.Duration) {
	table.mu.Lock()
	defer table.mu.Unlock()
	c := &table.cells[name][column]
	if *c == nil {
		*c = make(cell)
	}
	was, ok := (*c)[text]
	if !ok {
		was = times{took, took}
	}
	(*c)[text] = times{min(was.least, took), max(was.most, took)}
}

// markdown is the table.
func markdown() string {
	table.mu.Lock()
	defer table.mu.Unlock()
	var b strings.Builder
	b.WriteString(heading)
	for _, name := range table.names {
		fmt.Fprintf(&b, "| %s |", name)
		for _, c := range table.cells[name] {
			fmt.Fprintf(&b, " %v |", c)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (c cell) String() string {
	var all []string
	for _, text := range slices.Sorted(maps.Keys(c)) {
		all = append(all, strings.TrimSpace(text+" "+c[text].String()))
	}
	return strings.Join(all, " or ")
}

func (t times) String() string {
	least, most := seconds(t.least), seconds(t.most)
	switch {
	case t.least < 0:
		return ""
	case most == seconds(0):
		return "at once"
	case least == most:
		return most + " s"
	case least == seconds(0):
		return "up to " + most + " s"
	}
	return least + " to " + most + " s"
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }
