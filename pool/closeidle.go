package pool

// CloseIdle closes up to n idle connections, those first that were used longest ago,
// and returns how many: none if n is 0 or negative. Each is evicted for
// [ReasonSurplus]. It is for who keeps a limit for several pools. It does not wait for
// the closes, and looks neither at MinConns nor at MinIdleConns: what is missing then is
// opened anew. What is being checked, and what is suspect, counts as in use.
func (p *Pool[T]) CloseIdle(n int) (closed int) {
	p.sweep(func(s *slot[T]) {
		if closed >= n {
			p.revalidate(s)
			return
		}
		closed++
		p.evict(s, ReasonSurplus, nil)
	})
	return closed
}
