package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// knownFile lists the findings that are expected.
//
//go:embed known.tsv
var knownFile string

// How a known finding shows.
const (
	fails     = "fails"     // each time
	sometimes = "sometimes" // it may pass
	crashes   = "crashes"   // the process ends or hangs: it is run alone, and left out of the others' run
)

// known is a finding that is expected: a test, with all that it is the parent of.
type known struct{ pkg, test, how, reason string }

func (k known) covers(pkg, test string) bool {
	return k.pkg == pkg && (k.test == test || strings.HasPrefix(test, k.test+"/"))
}

// readKnown reads lines of a package, a test, how it shows and the reason, with
// tabs between.
func readKnown(text string) (all []known, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 || slices.Contains(f, "") || !slices.Contains([]string{fails, sometimes, crashes}, f[2]) {
			return nil, fmt.Errorf("known.tsv: not a package, a test, %s, %s or %s, and a reason: %q", fails, sometimes, crashes, line)
		}
		all = append(all, known{f[0], f[1], f[2], f[3]})
	}
	return all, nil
}

// find returns what is known of a test, or nil.
func find(all []known, pkg, test string) *known {
	i := slices.IndexFunc(all, func(k known) bool { return k.covers(pkg, test) })
	if i < 0 {
		return nil
	}
	return &all[i]
}
