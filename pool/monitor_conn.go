package pool

import (
	"time"
)

// open makes the monitor's connection, if it may.
func (m *monitor[T]) open() (opened bool) {
	p := m.pool
	if !due(m.dialAt) || !m.hasParted() || !p.dialer.isUp() {
		return false
	}
	s := new(slot[T])
	conn, _, err := p.maker.connect(p.life, s)
	m.dialAt = time.Now().Add(m.pauses.NextBackOff())
	if err != nil || p.equipped(s, conn) != nil {
		return false
	}
	s.limitLife(&p.config, p.maintenance.wakeToTidy)
	m.slot = s
	if p.config.Open != nil { // which was answered
		m.doubt = doubt[T]{}
		m.hear(s.opened.time())
	}
	return true
}

// isUp reports whether dials are made as they are needed.
func (d *dialer) isUp() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.closed && d.state == up
}

// replace lets go of a connection that is not fit any more.
func (m *monitor[T]) replace() {
	if m.slot == nil {
		return
	}
	m.slot.look() // Check would take what lies there for its answer
	if reason, dead := m.pool.unfitness(m.slot); reason != "" {
		m.part(dead != nil)
	}
}

// part has the monitor's connection closed, gently unless it is over.
func (m *monitor[T]) part(over bool) {
	s := m.slot
	if s == nil {
		return
	}
	m.slot, m.parted = nil, make(chan struct{})
	p, parted := m.pool, m.parted
	p.wg.Go(func() {
		defer close(parted)
		s.stopTelling()
		if over {
			abortConn(s.conn)
		}
		p.closer.close(s, over)
	})
}

// hasParted reports whether the last connection is closed, if there was one.
func (m *monitor[T]) hasParted() bool {
	select {
	case <-m.parted:
		return true
	default:
		return m.parted == nil
	}
}
