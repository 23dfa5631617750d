package promise

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/sockopt"
)

// costConns is over how many connections the packets are counted.
const costConns = 20

// TestCost counts the packets of connections that nobody uses.
func TestCost(t *testing.T) {
	t.Parallel()
	table := costTable{perHour: make(map[time.Duration]float64)}
	t.Run("budgets", func(t *testing.T) {
		for _, d := range costBudgets() {
			t.Run(d.String(), func(t *testing.T) {
				t.Parallel()
				table.measure(t, d)
			})
		}
	})
	if *tableFlag {
		table.print()
	}
}

func costBudgets() []time.Duration {
	if *tableFlag {
		return allBudgets
	}
	return budgets[:2]
}

type costTable struct {
	mu      sync.Mutex
	perHour map[time.Duration]float64
}

// measure counts over ten idle times, or five by default. A connection must not
// cost much more than a probe and its answer for each.
func (c *costTable) measure(t *testing.T, d time.Duration) {
	l := newLab(t, 0, 15)
	links, err := l.connect(costConns, hale.Dialer{KeepAlive: sockopt.Within(d)})
	if err != nil {
		t.Fatal(err)
	}
	idle := links[0].Report().Got.Idle
	times := time.Duration(5)
	if *tableFlag {
		times = 10
	}
	packets := countPackets(links, idle, times*idle)
	// Half as many again are for answers that a busy machine brings late: the
	// watch asks again then.
	if most := 3 * float64(times); packets > most {
		t.Errorf("an idle connection sent and received %.1f packets in %d idle times, at most %.0f are allowed", packets, times, most)
	}
	t.Logf("%.2f packets in %d idle times", packets, times)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.perHour[d] = packets * float64(time.Hour) / float64(times*idle)
}

// countPackets returns how many each connection has sent and received in the
// time. They count beginning at different moments of their idle time.
func countPackets(links []*link, idle, length time.Duration) float64 {
	var all sync.WaitGroup
	var packets atomic.Int64
	for i, l := range links {
		all.Go(func() {
			time.Sleep(idle * time.Duration(i) / time.Duration(len(links)))
			before := l.flow.packets()
			time.Sleep(length)
			packets.Add(l.flow.packets() - before)
		})
	}
	all.Wait()
	return float64(packets.Load()) / float64(len(links))
}

func (f *flow) packets() int64 { return f.sent.Load() + f.answered.Load() }

func (c *costTable) print() {
	fmt.Print("\n### Packets in an hour of an idle connection, both ways\n\n")
	header("", costBudgets())
	fmt.Print("| packets |")
	for _, d := range costBudgets() {
		fmt.Printf(" %.0f |", c.perHour[d])
	}
	fmt.Println()
}
