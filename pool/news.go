package pool

import "context"

// nextNews returns an outage that has begun or ended, for who tells the Observer
// of it; nobody else does until told.
func (d *dialer) nextNews() (o Outage, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.telling || d.held != nil {
		return o, false
	}
	o, ok = d.news()
	d.telling = ok
	return o, ok
}

// deathTold lets the outage be told that begins with a death, which has been.
func (d *dialer) deathTold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.held)
	d.held = nil
}

// untoldDeath is closed when the death has been told that an outage begins with;
// it is nil if there is none.
func (d *dialer) untoldDeath() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held
}

func (d *dialer) told() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.telling = false
}

// tellOutages tells of the outages that have begun and ended, one after the other.
func (d *dialer) tellOutages(to *Observer) {
	for d.tellOutage(to) {
	}
}

// tellOutage tells of one, and reports whether there was one to tell of that
// nobody else is at: whoever is will see ours.
func (d *dialer) tellOutage(to *Observer) bool {
	o, ok := d.nextNews()
	if !ok {
		return false
	}
	defer d.told()
	if o.Ended.IsZero() {
		to.outageBegin(o)
	} else {
		to.outageEnd(o)
	}
	return true
}

// tellDown tells of an outage that may have begun, and fails those who wait if
// they do not want to.
func (p *Pool[T]) tellDown() {
	p.dialer.tellOutages(p.config.Observer)
	for p.queue.len() > 0 {
		err := p.failFast()
		if err == nil || !p.queue.end(delivery[T]{err: err, outage: p.outageTold()}) {
			return
		}
	}
}

// tellBeginning tells of the outage that has begun, after the death that it begins
// with, if there is one, or when life ends.
func (d *dialer) tellBeginning(to *Observer, life context.Context) {
	if untold := d.untoldDeath(); untold != nil {
		select {
		case <-untold:
		case <-life.Done():
		}
	}
	d.tellOutages(to)
}
