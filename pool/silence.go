package pool

import (
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// lastHeard is when the endpoint gave its last sign of life, as far as the
// living connections tell. Those that wait for an answer themselves are
// believed, and so is what the others heard before dead, if there is one, was
// owed an answer: what they heard later has only shown that it is another path
// that is broken. The time is zero if nobody tells, or if an outage runs
// already. An empty remote means every address that the endpoint has had.
func (p *Pool[T]) lastHeard(remote string, dead *health.DeadError) (last time.Time) {
	p.mu.Lock()
	if p.outages.current != nil {
		p.mu.Unlock()
		return last
	}
	conns := make([]*slot[T], 0, len(p.filled))
	for s := range p.filled {
		if !s.unfit.Load() && (remote == "" || s.remote == remote) {
			conns = append(conns, s)
		}
	}
	p.mu.Unlock()
	for _, s := range conns {
		info, waits := s.unanswered()
		heard := time.Now().Add(-info.Silence())
		if heard.After(last) && (waits || info != health.Info{} && before(heard, dead)) {
			last = heard
		}
	}
	return last
}

// before reports whether heard was before dead was owed an answer.
func before(heard time.Time, dead *health.DeadError) bool {
	return dead != nil && dead.Unanswered > 0 && !heard.After(dead.Detected.Add(-dead.Unanswered))
}

// unanswered asks the kernel whether the peer leaves anything unanswered.
func (s *slot[T]) unanswered() (info health.Info, yes bool) {
	i, ok := netconn.Find[interface{ Info() (health.Info, error) }](s.conn)
	if !ok {
		return info, false
	}
	info, err := i.Info()
	return info, err == nil && (info.Probes > 0 || info.Retransmits > 0)
}
