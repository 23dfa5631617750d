package page

import (
	"fmt"
	"math"

	"example.com/hale/internal/rigs/bench/figure"
)

// notable is by how much a ratio has to differ from 1 to be spoken of.
const notable = 0.03

// A Comparison is what rivals need, of time or of what else is better the less it
// is, divided by what hale needs.
type Comparison struct {
	Word    string   // what a rival with less is: "quicker"
	Columns []string // what was done
	Rivals  []string
	Ratios  [][]float64 // of each rival, in each column; NaN was not measured
}

// Reading says in which columns a rival is better, and how far apart the others
// are.
func (c Comparison) Reading() []string {
	var sentences []string
	for i, rival := range c.Rivals {
		if s := c.better(rival, c.Ratios[i]); s != "" {
			sentences = append(sentences, s)
		}
	}
	if len(sentences) == 0 {
		sentences = []string{fmt.Sprintf("No rival is %s than hale by more than %s in any column.", c.Word, figure.Percent(notable))}
	}
	return append(sentences, c.worse()...)
}

// better is a sentence about a rival that is better somewhere.
func (c Comparison) better(rival string, ratios []float64) string {
	var where []string
	least, at := math.Inf(1), 0
	for i, r := range ratios {
		if r < 1-notable {
			where = append(where, c.Columns[i])
		}
		if r < least {
			least, at = r, i
		}
	}
	switch len(where) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%s is %s than hale (%s of its time): %s.", rival, c.Word, figure.Times(least), where[0])
	}
	return fmt.Sprintf("%s is %s than hale in %d of %d columns, at most so with %s (%s).", rival, c.Word, len(where), len(ratios), c.Columns[at], figure.Times(least))
}

// worse says between what the rivals are where they are worse.
func (c Comparison) worse() []string {
	least, most := math.Inf(1), 0.0
	what := ""
	for i, ratios := range c.Ratios {
		for j, r := range ratios {
			if r <= 1+notable || math.IsNaN(r) {
				continue
			}
			least = min(least, r)
			if r > most {
				most, what = r, c.Rivals[i]+" with "+c.Columns[j]
			}
		}
	}
	if what == "" {
		return nil
	}
	if least == most {
		return []string{fmt.Sprintf("Elsewhere there is %s (%s).", figure.Times(most), what)}
	}
	return []string{fmt.Sprintf("Elsewhere the rivals need from %s to %s (%s).", figure.Times(least), figure.Times(most), what)}
}
