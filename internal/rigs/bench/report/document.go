package report

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
)

// A document is the page.
type document struct {
	effort   figure.Effort
	command  string
	machine  machine
	start    time.Time
	sections []page.Section
}

const preamble = `# Benchmarks

hale beside its rivals, in one run: figures are comparable within a table, and less so between
tables or machines. This page and its pictures are the output of one command, sentences included.

A cell is the median of runs that took turns, and half of the distance between the quartiles (±). A ratio
is of two runs of the same round; above 1× the rival needs more than hale, unless a heading says otherwise.
Under a table stands first what rivals do better, then how far the goals are met.
`

func (d document) write(w io.Writer) {
	fmt.Fprint(w, preamble+"\n")
	if d.effort == figure.Brief {
		fmt.Fprint(w, "**This was a brief run, to see that everything works: the figures mean nothing.**\n\n")
	}
	after := load()
	for _, row := range [][2]string{
		{"command", "`" + d.command + "`"},
		{"machine", d.machine.cpu},
		{"kernel", d.machine.kernel},
		{"Go", runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH},
		{"took", fmt.Sprintf("%.0f s, ended %s", time.Since(d.start).Seconds(), time.Now().UTC().Format("2006-01-02"))},
		{"load average", fmt.Sprintf("%s before, %s after; what others do on the machine is in the spread", d.machine.load, after)},
	} {
		fmt.Fprintf(w, "- %s: %s\n", row[0], row[1])
	}
	d.writeGoals(w)
	for i := range d.sections {
		fmt.Fprintln(w)
		d.sections[i].Write(w)
	}
}

// writeGoals lists what was missed in this run.
func (d document) writeGoals(w io.Writer) {
	fmt.Fprint(w, "\n## Goals that were missed\n\n")
	none := true
	for _, s := range d.sections {
		for _, missed := range append(s.Missed, s.Broken...) {
			none = false
			fmt.Fprintf(w, "- %s: %s.\n", s.Title, missed)
		}
	}
	if none {
		fmt.Fprintln(w, "None, of those that were measured.")
	}
}

// machine is what the figures were made on.
type machine struct{ cpu, kernel, load string }

func machineNow() machine {
	return machine{
		cpu:    fmt.Sprintf("%s, %d processors", firstOf("/proc/cpuinfo", "model name"), runtime.NumCPU()),
		kernel: strings.TrimSpace("Linux " + read("/proc/sys/kernel/osrelease")),
		load:   load(),
	}
}

// load is the load average of the last minute.
func load() string {
	if fields := strings.Fields(read("/proc/loadavg")); len(fields) > 0 {
		return fields[0]
	}
	return "unknown"
}

func read(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

// firstOf is the value of the first line "key : value".
func firstOf(file, key string) string {
	in := bufio.NewScanner(strings.NewReader(read(file)))
	for in.Scan() {
		k, v, found := strings.Cut(in.Text(), ":")
		if found && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown processor"
}
