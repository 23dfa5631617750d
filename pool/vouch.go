package pool

import "errors"

// errNotVouched is a connection that AfterRelease does not vouch for.
var errNotVouched = errors.New("pool: AfterRelease returned false")

// vouched asks AfterRelease, if it is set, about a slot that was released without
// a fault and is the pool's. If it is false the slot is on its way out, or being
// reset.
func (p *Pool[T]) vouched(s *slot[T]) bool {
	if p.config.AfterRelease == nil {
		return true
	}
	s.move(consult)
	if p.epoch.Load()&shut != 0 { // whoever shuts the pool looks afterwards for who is asked
		s.consulted(func() { p.evict(s, ReasonShutdown, nil) })
		return false
	}
	err := callGuarded("AfterRelease", func() error {
		if p.config.AfterRelease(s.value) {
			return nil
		}
		return errNotVouched
	}, func(ended error) { s.consulted(func() { p.evictFaulty(s, ended) }) })
	if !s.move(consulted) {
		return false
	}
	switch {
	case err == nil:
		return true
	case err == errNotVouched && p.config.Reset != nil:
		p.checks.reset(s)
	default:
		p.evictFaulty(s, err)
	}
	return false
}

// consulted has then see to a slot of which AfterRelease was asked, unless Shutdown
// has taken it away.
func (s *slot[T]) consulted(then func()) {
	if s.move(consulted) {
		then()
	}
}

// disown aborts what AfterRelease does not return about.
func (p *Pool[T]) disown() {
	for _, s := range p.conns.those(func(s *slot[T]) bool { return s.is(consulting) }) {
		if s.move(disown) {
			tell, _ := p.markUnfit(s, ReasonShutdown, nil)
			defer tell()
			p.abortAway(s)
		}
	}
}
