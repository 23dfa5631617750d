//go:build linux && !hale_sweep

package deathwatch

import "time"

// place is where a connection stands in the watcher's table. The generation
// tells it from its predecessors in the same slot: an event that was under way
// when one of those was removed finds another generation there.
type place struct{ slot, gen int32 }

// table is the connections of a watcher.
type table struct {
	entries []entry
	free    []int32 // slots of entries
}

// entry is one slot of the table. The times stand here, not in the Supervision,
// so that finding out who is due runs through memory in order.
type entry struct {
	c    *Supervision
	next time.Duration // since the watcher's start; never if the slot is free
	gen  int32
}

// place finds c a slot.
func (w *watcher) place(c *Supervision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &w.table
	if len(t.free) == 0 {
		t.free = append(t.free, int32(len(t.entries)))
		t.entries = append(t.entries, entry{})
	}
	slot := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	e := &t.entries[slot]
	e.gen++
	pause := c.limits.pause()
	c.detector.looked, c.detector.planned = w.clock.plus(0), pause
	e.c, e.next = c, w.after(pause)
	c.place.slot, c.place.gen = slot, e.gen
	w.users++
	w.wakeBy(e.next)
}

// displace gives c's slot back; it reports whether c still had it.
func (w *watcher) displace(c *Supervision) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.entryOf(c)
	if e == nil {
		return false
	}
	e.c, e.next = nil, never
	w.table.free = append(w.table.free, c.place.slot)
	w.users--
	return true
}

// entryOf returns c's entry, or nil if c is not in the table. The caller holds
// w.mu.
func (w *watcher) entryOf(c *Supervision) *entry {
	if int(c.place.slot) < len(w.table.entries) && w.table.entries[c.place.slot].c == c {
		return &w.table.entries[c.place.slot]
	}
	return nil
}

// at returns who stands in a slot, unless that one is gone.
func (w *watcher) at(slot, gen int32) *Supervision {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.table.entries[slot]; e.gen == gen {
		return e.c
	}
	return nil
}

// after returns the time of the first look after a pause from now, give or take
// what the kernel's own clock is exact by. Looks are taken together, at multiples
// of shortestPause, but for those that come sooner.
func (w *watcher) after(pause time.Duration) time.Duration {
	at := w.clock.plus(pause)
	if at == never || pause < shortestPause {
		return at
	}
	return (at - resolution + shortestPause - 1).Truncate(shortestPause)
}

// wakeBy makes the goroutine look around at that time. The caller holds w.mu.
func (w *watcher) wakeBy(at time.Duration) {
	if at == never {
		return
	}
	if t := w.clock.time(at); w.wake.IsZero() || t.Before(w.wake) {
		w.wake = t
		_ = w.epoll.SetReadDeadline(t)
	}
}

// lookAgain looks at c after a pause, and returns when that is.
func (w *watcher) lookAgain(c *Supervision, pause time.Duration) (next time.Duration) {
	next = w.after(pause)
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.entryOf(c); e != nil {
		e.next = next
		w.wakeBy(next)
		return next
	}
	return never
}

// lookSoon has the goroutine look at c now.
func lookSoon(c *Supervision) {
	w := theWatcher()
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.entryOf(c); e != nil {
		e.next = w.clock.plus(0)
		w.wakeBy(e.next)
	}
}

// everybody appends all connections to list.
func (w *watcher) everybody(list []*Supervision) []*Supervision {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.table.entries {
		if c := w.table.entries[i].c; c != nil {
			list = append(list, c)
		}
	}
	return list
}

// collect fills w.due and returns when the first of the others is due.
func (w *watcher) collect(now time.Duration, all bool) (next time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wake = time.Time{}
	_ = w.epoll.SetReadDeadline(w.wake)
	w.due, next = w.due[:0], w.tidy
	for i := range w.table.entries {
		switch e := &w.table.entries[i]; {
		case e.c == nil:
		case e.next <= now || all:
			w.due = append(w.due, e.c)
		default:
			next = min(next, e.next)
		}
	}
	return next
}
