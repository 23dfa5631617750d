package promise

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/hale/health"
)

// noticedTables are, for each surrounding, when the vanishing of a peer was
// noticed, and how many packets were sent in vain.
type noticedTables struct {
	still *stillness

	mu      sync.Mutex // guards the rest
	cells   map[string][]measurement
	leftOut int
}

func newNoticedTables(still *stillness) *noticedTables {
	return &noticedTables{still: still, cells: make(map[string][]measurement)}
}

// leaveOut is for a measurement that says more about this machine than about
// hale.
func (n *noticedTables) leaveOut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leftOut++
}

func cellName(w surrounding, st state, d time.Duration) string {
	return fmt.Sprint(w, st.name, d)
}

func (n *noticedTables) add(w surrounding, st state, d time.Duration, m measurement) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := cellName(w, st, d)
	n.cells[name] = append(n.cells[name], m)
}

func (n *noticedTables) print() {
	for _, w := range surroundings {
		fmt.Printf("\n### Noticed after, in s: %v\n\n", w)
		n.printOne(w, noticedCell)
	}
	for _, w := range surroundings {
		fmt.Printf("\n### Packets sent into the silence: %v\n\n", w)
		n.printOne(w, packetsCell)
	}
	fmt.Printf("\nLeft out: %d that were late while this process stood still, for %v in all.\n",
		n.leftOut, n.still.lost.Round(time.Millisecond))
}

func (n *noticedTables) printOne(w surrounding, cell func([]measurement, time.Duration) string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	header("state", chosenBudgets())
	for _, st := range w.states {
		fmt.Printf("| %s |", st.name)
		for _, d := range chosenBudgets() {
			fmt.Printf(" %s |", cell(n.cells[cellName(w, st, d)], d))
		}
		fmt.Println()
	}
}

// header begins a table with a column for each budget. first is the heading of
// those before, with a bar between them.
func header(first string, budgets []time.Duration) {
	fmt.Printf("| %s |", first)
	for _, d := range budgets {
		fmt.Printf(" Within(%g s) |", d.Seconds())
	}
	fmt.Println("\n|---|" + strings.Repeat("---|", len(budgets)+strings.Count(first, "|")))
}

// causeLetters are what the tables have room for.
var causeLetters = map[health.Cause]string{
	health.KeepAliveTimeout: "k",
	health.SendTimeout:      "s",
	health.PeerStalled:      "p",
	health.Unreachable:      "u",
}

// noticedCell is the range of the times and the causes, in bold if any was late.
func noticedCell(all []measurement, d time.Duration) string {
	if len(all) == 0 {
		return ""
	}
	least, most := all[0].noticed, time.Duration(0)
	causes := make(map[string]int)
	for _, m := range all {
		least, most = min(least, m.noticed), max(most, m.noticed)
		causes[causeLetters[m.cause]]++
	}
	if causes[""] > 0 {
		return fmt.Sprintf("**not within %.0f**", most.Seconds())
	}
	text := span(fmt.Sprintf("%.2f", least.Seconds()), fmt.Sprintf("%.2f", most.Seconds()))
	for _, c := range []string{"k", "s", "p", "u"} {
		if causes[c] > 0 {
			text += " " + c
		}
	}
	if most > d+noise {
		text = "**" + text + "**"
	}
	return text
}

func packetsCell(all []measurement, _ time.Duration) string {
	if len(all) == 0 {
		return ""
	}
	least, most := all[0].packets, int64(0)
	for _, m := range all {
		least, most = min(least, m.packets), max(most, m.packets)
	}
	return span(fmt.Sprint(least), fmt.Sprint(most))
}

func span(least, most string) string {
	if least == most {
		return most
	}
	return least + " to " + most
}
