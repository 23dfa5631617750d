package cluster

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"example.com/hale/health"
)

// ejection is what is known of a member that answers badly. The mutex of the cluster
// guards it.
type ejection struct {
	until time.Time // zero if it was never ejected, or that was ended
	times int
}

func (e *ejection) lasts(now time.Time) bool { return now.Before(e.until) }

const (
	slowSweep = 10 * time.Second // how often Do's times are compared
	slowLeast = 20               // calls in that time
	slowHosts = 3                // endpoints with as many
)

// speed is what Do took since the last sweep.
type speed struct {
	mu    sync.Mutex // guards what follows
	n     int
	total time.Duration
}

func (s *speed) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.total += d
}

// take returns the mean, and begins anew.
func (s *speed) take() (mean time.Duration, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = s.n
	if n > 0 {
		mean = s.total / time.Duration(n)
	}
	s.n, s.total = 0, 0
	return mean, n
}

// report takes note of how a use of m went, by Conn.Report.
func (c *Cluster[T]) report(m *member[T], err error) {
	switch {
	case err == nil:
		c.praise(m, 0)
	case c.isDemoted(err):
		c.demoted(m)
	default:
		c.blame(m, err, true)
	}
}

// praise takes note of a use that went well; took is how long Do was, if slowness
// counts.
func (c *Cluster[T]) praise(m *member[T], took time.Duration) {
	if m.fails.Load() != 0 {
		m.fails.Store(0)
	}
	if took > 0 {
		m.speed.add(took)
	}
}

// blame takes note of an error; failed is whether it is a failure if nobody judges.
func (c *Cluster[T]) blame(m *member[T], err error, failed bool) {
	e := &c.config.Ejection
	if e.Failed != nil {
		failed, _ = guard(context.Background(), "Failed", func() (bool, error) { return e.Failed(err), nil })
	}
	most := int64(e.Failures)
	if failed && m.fails.Add(1) >= most && most > 0 {
		m.fails.Store(0)
		c.eject(m, "failures", err)
	}
}

func (c *Cluster[T]) isDemoted(err error) bool {
	if c.config.Demoted == nil {
		return false
	}
	is, _ := guard(context.Background(), "Demoted", func() (bool, error) { return c.config.Demoted(err), nil })
	return is
}

// died reports whether an error of Do is the end of a connection.
func died(err error) bool {
	return health.IsDead(err) && !errors.Is(err, context.Canceled)
}

// eject has m left alone, unless too many are already.
func (c *Cluster[T]) eject(m *member[T], why string, err error) {
	c.mu.Lock()
	now, e := time.Now(), &c.config.Ejection
	out := filter(c.members, func(m *member[T]) bool { return m.ejection.lasts(now) })
	if m.draining || m.ejection.lasts(now) || float64(len(out)+1) > e.Part*float64(len(c.members)) {
		c.mu.Unlock()
		return
	}
	if !m.ejection.until.IsZero() {
		well := now.Sub(m.ejection.until) / e.For
		m.ejection.times -= int(min(well, time.Duration(m.ejection.times)))
	}
	m.ejection.times++
	length := e.Most
	if n := time.Duration(m.ejection.times); n <= e.Most/e.For {
		length = n * e.For
	}
	m.ejection.until = now.Add(length)
	c.stats.ejections.Add(1)
	tell(c, c.config.Observer.set().Ejected, EjectedInfo{Endpoint: m.endpoint(), For: length, Times: m.ejection.times, Why: why, Err: err})
	c.rebuild()
	c.mu.Unlock()
	c.afterChange()
}

// sweep ejects those that Do takes much longer at than at others.
func (c *Cluster[T]) sweep() {
	type timed struct {
		m    *member[T]
		mean time.Duration
	}
	c.mu.Lock()
	all := slices.Clone(c.members)
	c.mu.Unlock()
	var busy []timed
	for _, m := range all {
		if mean, n := m.speed.take(); n >= slowLeast {
			busy = append(busy, timed{m, mean})
		}
	}
	if len(busy) < slowHosts {
		return
	}
	slices.SortFunc(busy, func(a, b timed) int { return cmp.Compare(a.mean, b.mean) })
	median := busy[(len(busy)-1)/2].mean
	for _, b := range busy {
		if float64(b.mean) > c.config.Ejection.Slow*float64(median) {
			c.eject(b.m, "slow", nil)
		}
	}
}
