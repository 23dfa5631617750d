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
	err := callGuarded("AfterRelease", func() error {
		if p.config.AfterRelease(s.value) {
			return nil
		}
		return errNotVouched
	}, func(ended error) { p.evictFaulty(s, ended) })
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
