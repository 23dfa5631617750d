package promise

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/sockopt"
)

// noise is what a busy machine may add to whatever is measured here.
const noise = 100 * time.Millisecond

// A subject is one connection whose peer is about to vanish.
type subject struct {
	*link
	budget time.Duration
	phase  float64        // 0 to 1, of whatever the state lets vary
	behind sync.WaitGroup // what goes on behind the test's back
}

// pace is the longest pause between two askings of the kernel's, 0 if the
// system's own stands.
func (s *subject) pace() time.Duration { return max(0, s.Report().Got.Pace) }

// A surrounding is what connections are tried in.
type surrounding struct {
	rtt      time.Duration
	retries2 int
	states   []state
}

func (w surrounding) String() string {
	return fmt.Sprintf("RTT %g s, tcp_retries2 %d", w.rtt.Seconds(), w.retries2)
}

var surroundings = []surrounding{
	{0, 15, near},
	{0, 8, near},
	{200 * time.Millisecond, 15, far},
	{2 * time.Second, 15, far},
}

var (
	budgets    = []time.Duration{3 * time.Second, 5 * time.Second, 10 * time.Second}
	allBudgets = append(budgets[:3:3], 30*time.Second, 60*time.Second)
)

// TestNoticed has peers vanish from connections in every state.
func TestNoticed(t *testing.T) {
	t.Parallel()
	tables := newNoticedTables(watchStillness(t))
	t.Run("all", func(t *testing.T) {
		for _, w := range surroundings {
			t.Run(w.String(), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, w.rtt, w.retries2)
				for _, st := range w.states {
					if !st.long || *tableFlag {
						l.tryState(t, w, st, tables)
					}
				}
			})
		}
	})
	if *tableFlag {
		tables.print()
	}
}

// tryState tries one state with all budgets, as often as wanted, side by side.
func (l *lab) tryState(t *testing.T, w surrounding, st state, tables *noticedTables) {
	for _, d := range chosenBudgets() {
		for run := range *runsFlag {
			phase := float64(run) / float64(*runsFlag)
			t.Run(fmt.Sprintf("%s/%v/%d", st.name, d, run), func(t *testing.T) {
				t.Parallel()
				m, err := l.measure(st, d, phase)
				if err != nil {
					t.Fatal(err)
				}
				late := m.noticed > m.allowed+noise
				if late && tables.still.since(m.vanished) {
					tables.leaveOut()
					t.Skipf("noticed after %v, but this process stood still meanwhile", m.noticed)
				}
				tables.add(w, st, d, m)
				if late {
					t.Errorf("noticed %v after the peer had vanished (%v), at most %v is allowed", m.noticed, m.cause, m.allowed+noise)
				}
			})
		}
	}
}

func chosenBudgets() []time.Duration {
	if *tableFlag {
		return allBudgets
	}
	return budgets
}

// A measurement is how one peer's vanishing was noticed.
type measurement struct {
	vanished time.Time
	noticed  time.Duration // after it
	cause    health.Cause  // unknown if it was not
	packets  int64         // that were sent into the silence
	allowed  time.Duration // for it: the budget, or longer where the design says so
}

// dials limits how many dial beside each other.
var dials = make(chan struct{}, 32)

func (l *lab) measure(st state, d time.Duration, phase float64) (m measurement, err error) {
	dials <- struct{}{}
	links, err := l.connect(1, hale.Dialer{KeepAlive: sockopt.Within(d)})
	<-dials
	if err != nil {
		return m, err
	}
	s := &subject{link: links[0], budget: d, phase: phase}
	defer s.behind.Wait()
	defer s.peer.Close()
	defer s.Conn.Close()
	if err := st.bring(s); err != nil {
		return m, err
	}
	if m.allowed, err = s.allowed(st); err != nil {
		return m, err
	}
	err = s.vanish(st, &m)
	return m, err
}

// vanish has the peer vanish, and waits until that is noticed.
func (s *subject) vanish(st state, m *measurement) error {
	limit := time.NewTimer(2*s.budget + 2*time.Minute)
	defer limit.Stop()
	before := s.flow.sent.Load()
	s.flow.gone.Store(true)
	m.vanished = time.Now()
	if st.then != nil {
		defer time.AfterFunc(s.written(st), func() { st.then(s) }).Stop()
	}
	select {
	case <-s.Done():
	case <-limit.C:
	}
	m.noticed, m.packets = time.Since(m.vanished), s.flow.sent.Load()-before
	var dead *health.DeadError
	if s.State() != health.Dead {
		return nil // and so the cause is health.Unknown
	}
	if !errors.As(s.Err(), &dead) || !dead.Cause.Silent() {
		return fmt.Errorf("the verdict is not that the peer is gone: %v", s.Err())
	}
	m.cause = dead.Cause
	return nil
}
