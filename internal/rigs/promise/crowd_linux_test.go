package promise

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/sockopt"
)

// kinds are what the connections of a crowd do.
var kinds = []string{"idle", "busy", "stalled", "slow reader"}

// A busy connection asks for something small ten times a second.
const (
	requestEvery = 100 * time.Millisecond
	requestLen   = 32
)

// A crowd is connections of one kind, and what was reported of them.
type crowd struct {
	kind      string
	members   []*subject
	suspicion atomic.Int64
	length    time.Duration

	mu   sync.Mutex // guards dead
	dead map[health.Cause]int
}

func (l *lab) gather(kind string, n int, d time.Duration) (*crowd, error) {
	c := &crowd{kind: kind, dead: make(map[health.Cause]int)}
	links, err := l.connect(n, hale.Dialer{KeepAlive: sockopt.Within(d), Observer: &hale.Observer{
		Suspect: func(hale.SuspectInfo) { c.suspicion.Add(1) },
		Dead:    c.died,
	}})
	for _, made := range links {
		c.members = append(c.members, &subject{link: made, budget: d, phase: rand.Float64()})
	}
	return c, err
}

func (c *crowd) died(info hale.DeadInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead[info.Err.Cause]++
}

// start has the members do what their kind does.
func (c *crowd) start(stop chan struct{}) {
	for _, s := range c.members {
		switch c.kind {
		case "idle": // each at another moment
			s.behind.Go(func() { _ = s.rest(); _ = s.exchange() })
		case "busy":
			s.behind.Go(s.echo)
			s.behind.Go(func() { s.ask(stop) })
		case "stalled":
			s.pour()
		case "slow reader":
			s.pour()
			s.sip()
		}
	}
}

// ask sends requests and waits for the replies.
func (s *subject) ask(stop chan struct{}) {
	tick := time.NewTicker(requestEvery)
	defer tick.Stop()
	buf := make([]byte, requestLen)
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if _, err := s.Conn.Write(buf); err != nil {
			return
		}
		if _, err := io.ReadFull(s.Conn, buf); err != nil {
			return
		}
	}
}

// echo is the peer of ask.
func (s *subject) echo() {
	buf := make([]byte, requestLen)
	for {
		if _, err := io.ReadFull(s.peer, buf); err != nil {
			return
		}
		if _, err := s.peer.Write(buf); err != nil {
			return
		}
	}
}

// end closes everything. A death that comes with it does not count.
func (c *crowd) end() {
	for _, s := range c.members {
		s.Conn.Close()
	}
	for _, s := range c.members {
		s.peer.Close()
		s.behind.Wait()
	}
}

func (c *crowd) deaths() (n int) {
	for _, of := range c.dead {
		n += of
	}
	return n
}

// deathsCell counts the dead, by cause.
func (c *crowd) deathsCell() string {
	var causes []string
	for _, cause := range slices.Sorted(maps.Keys(c.dead)) {
		causes = append(causes, fmt.Sprintf("%d %v", c.dead[cause], cause))
	}
	if len(causes) == 0 {
		return fmt.Sprintf("0 of %d", len(c.members))
	}
	return fmt.Sprintf("**%s** of %d", strings.Join(causes, ", "), len(c.members))
}

func (c *crowd) suspicionsCell() string {
	return fmt.Sprintf("%.2f", float64(c.suspicion.Load())/float64(len(c.members))/c.length.Minutes())
}
