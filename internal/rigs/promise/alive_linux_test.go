package promise

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// A trial is a path that is bad for a while, and peers that all live.
type trial struct {
	loss   int     // of each hundred packets, each way
	gap    float64 // the path is dead for that part of the budget, every gapEvery budgets
	budget time.Duration
	length time.Duration
	sizes  sizes
}

// gapEvery is how many budgets there are from one gap to the next; the first
// comes after one.
const gapEvery = 3

// path is what is wrong with it.
func (tr trial) path() string {
	if tr.gap > 0 {
		return fmt.Sprintf("gaps of %.1f d", tr.gap)
	}
	return fmt.Sprintf("%d %% lost", tr.loss)
}

// sizes is how many connections there are of each kind.
type sizes map[string]int

var (
	allSizes = sizes{"idle": 200, "busy": 50, "stalled": 20, "slow reader": 20}
	fewSizes = sizes{"idle": 100, "busy": 20, "stalled": 10, "slow reader": 10}
)

// What has to hold, and is tried by default.
var goals = []trial{
	{loss: 2, budget: 3 * time.Second, length: 20 * time.Second, sizes: fewSizes},
	{loss: 10, budget: 5 * time.Second, length: 20 * time.Second, sizes: fewSizes},
}

var aliveBudgets = allBudgets[:4]

// TestAlive has packets lost between peers that live. None may be given up.
func TestAlive(t *testing.T) {
	t.Parallel()
	if !*tableFlag {
		runTrials(t, goals, new(aliveTables))
		return
	}
	tables := new(aliveTables)
	for _, loss := range []int{0, 2, 5, 10} {
		runTrials(t, forBudgets(trial{loss: loss, sizes: allSizes}), tables)
	}
	for _, gap := range []float64{0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9} {
		runTrials(t, forBudgets(trial{gap: gap, sizes: fewSizes}), tables)
	}
	tables.print()
}

func forBudgets(tr trial) (all []trial) {
	for _, d := range aliveBudgets {
		tr.budget, tr.length = d, 90*time.Second
		all = append(all, tr)
	}
	return all
}

// runTrials runs trials beside each other.
func runTrials(t *testing.T, trials []trial, tables *aliveTables) {
	t.Run("trials", func(t *testing.T) {
		for _, tr := range trials {
			t.Run(fmt.Sprintf("%s, within %v", tr.path(), tr.budget), func(t *testing.T) {
				t.Parallel()
				crowds := tr.run(t)
				tables.add(tr, crowds)
				for _, c := range crowds {
					if tr.isGoal(c.kind) && c.deaths() > 0 {
						t.Errorf("%s: %v of %d connections were given up", c.kind, c.dead, len(c.members))
					}
				}
			})
		}
	})
}

// isGoal reports whether none of the kind may die. A shut window is probed once
// in a second at most, so that with every tenth packet lost four probes in a row
// are lost now and then.
func (tr trial) isGoal(kind string) bool {
	switch {
	case tr.gap > 0:
		return false
	case tr.loss <= 2:
		return true
	}
	return tr.loss <= 10 && tr.budget >= 5*time.Second && (kind == "idle" || kind == "busy")
}

// run has the path bad for the trial's length.
func (tr trial) run(t *testing.T) (crowds []*crowd) {
	t.Helper()
	l := newLab(t, 0, 15)
	for _, kind := range kinds {
		c, err := l.gather(kind, tr.sizes[kind], tr.budget)
		if err != nil {
			t.Fatal(err)
		}
		crowds = append(crowds, c)
	}
	stop := make(chan struct{})
	for _, c := range crowds {
		c.start(stop)
	}
	l.beBad(tr)
	close(stop)
	for _, c := range crowds {
		c.end()
	}
	return crowds
}

// beBad is the path's part.
func (l *lab) beBad(tr trial) {
	l.path.loss.Store(uint32(tr.loss * 100))
	end := time.Now().Add(tr.length)
	defer l.path.dead.Store(false)
	for next := time.Now().Add(tr.budget); tr.gap > 0 && next.Before(end); next = next.Add(gapEvery * tr.budget) {
		time.Sleep(time.Until(next))
		l.path.dead.Store(true)
		time.Sleep(time.Duration(tr.gap * float64(tr.budget)))
		l.path.dead.Store(false)
	}
	time.Sleep(time.Until(end))
}

// aliveTables are, for each path, who was given up and who was suspected.
type aliveTables struct {
	mu    sync.Mutex
	paths []string
	cells map[string][]*crowd
}

func (a *aliveTables) add(tr trial, crowds []*crowd) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cells == nil {
		a.cells = make(map[string][]*crowd)
	}
	if n := len(a.paths); n == 0 || a.paths[n-1] != tr.path() {
		a.paths = append(a.paths, tr.path())
	}
	for _, c := range crowds {
		c.length = tr.length
		name := fmt.Sprint(tr.path(), c.kind, tr.budget)
		a.cells[name] = append(a.cells[name], c)
	}
}

func (a *aliveTables) print() {
	fmt.Print("\n### Live peers that were given up\n\n")
	a.printOne((*crowd).deathsCell)
	fmt.Print("\n### Suspicions in a connection's minute\n\n")
	a.printOne((*crowd).suspicionsCell)
}

func (a *aliveTables) printOne(cell func(*crowd) string) {
	header("path | connections", aliveBudgets)
	for _, path := range a.paths {
		for _, kind := range kinds {
			fmt.Printf("| %s | %s |", path, kind)
			for _, d := range aliveBudgets {
				for _, c := range a.cells[fmt.Sprint(path, kind, d)] {
					fmt.Printf(" %s |", cell(c))
				}
			}
			fmt.Println()
		}
	}
}
