package pool

import (
	"time"
)

// question is what the living connections are to be asked: whether there was a
// reply since a dial failed.
type question struct {
	state  reach
	asking asking
	hope   bool // a dial is under way
}

// ask returns the question, if there is one. A server that was full and has no
// connection any more should have room.
func (d *dialer) ask(conns, alive int) (q question, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asks(conns) {
		return question{d.state, d.asking, d.dialing > 0}, true
	}
	if d.state == full && alive == 0 {
		d.dialNow()
	}
	return q, false
}

// asks reports whether a reply would tell anything, and may come. The caller
// holds mu.
func (d *dialer) asks(conns int) bool {
	return !d.asking.since.IsZero() && (d.state == probing || d.state == down && conns > 0)
}

// answer is what follows of a reply, or of none although nothing lets hope for
// one. It reports whether the endpoint is not reached.
func (d *dialer) answer(q question, replied, hope bool, now func() demand) (isDown bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.state != q.state || d.asking != q.asking {
		return false
	}
	switch {
	case replied:
		d.state, d.serves = full, time.Now()
		d.reach()
	case d.state == probing && (!hope || time.Since(q.asking.since) >= d.grace):
		d.goDown(now())
	}
	return d.state == down
}

// assess finds out whether an endpoint that has refused a dial serves: whether
// there was a reply since on one of the connections that live.
func (p *Pool[T]) assess() {
	q, ok := p.dialer.ask(p.conns.len(), int(p.conns.fit.Load()))
	if !ok {
		return
	}
	replied, hope := false, q.hope
	for _, s := range p.conns.alive("") {
		replied = replied || s.repliedSince(q.asking)
		hope = hope || !s.waits()
	}
	if p.dialer.answer(q, replied, hope, p.demand) {
		p.tellDown()
	}
}
