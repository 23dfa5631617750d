package health

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"example.com/hale/internal/notify"
)

// A beater is the scheduler of a Heartbeat, from the first Pulse to the last.
// Its goroutine starts probes when they are due and never waits for one.
type beater struct {
	rhythm
	start time.Time
	wake  chan struct{} // something has changed
	gone  chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards what follows, and parts of the pulses; nobody is called under it
	due     pulseHeap  // pulses with no probe under way
	pulses  int        // that have not ended
	probing int        // probes under way
	over    bool       // the last pulse has ended
}

// never is a time that does not come.
const never time.Duration = 1<<63 - 1

func newBeater(r rhythm) *beater {
	b := &beater{rhythm: r, start: time.Now(), wake: make(chan struct{}, 1), gone: make(chan struct{})}
	go b.run()
	return b
}

func (b *beater) now() time.Duration { return time.Since(b.start) }

// add makes a Pulse, or returns nil if the beater is over.
func (b *beater) add(c net.Conn, dead func(*DeadError)) *Pulse {
	p := &Pulse{beater: b, conn: c, dead: notify.New(dead), held: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return nil
	}
	b.pulses++
	b.rest(p)
	return p
}

// rest puts p down for its next probe. The caller holds b.mu.
func (b *beater) rest(p *Pulse) {
	spread := b.interval / 100 * heartbeatJitter
	p.pause = b.interval - spread + rand.N(2*spread+1)
	p.used.Store(int64(b.now()))
	p.next = p.due()
	heap.Push(&b.due, p)
	b.rouse()
}

// rouse makes the goroutine look at what has changed.
func (b *beater) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *beater) run() {
	defer close(b.gone)
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		wait, more := b.beat()
		if !more {
			return
		}
		timer.Stop()
		if wait != never {
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
		case <-b.wake:
		}
	}
}

// beat starts the probes that are due, as far as there is room, and returns
// how long there is nothing to do.
func (b *beater) beat() (wait time.Duration, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.due) > 0 && b.probing < heartbeatProbes {
		p, now := b.due[0], b.now()
		if p.next > now {
			return p.next - now, true
		}
		if again, ok := p.claim(now); !ok {
			p.next = again
			heap.Fix(&b.due, 0)
			continue
		}
		heap.Pop(&b.due)
		b.launch(p)
	}
	return never, !b.over
}

// launch starts a probe of p, whose connection it has. The caller holds b.mu.
func (b *beater) launch(p *Pulse) {
	b.probing++
	a := &attempt{done: make(chan struct{})}
	a.ctx, a.cancel = context.WithTimeout(context.Background(), b.timeout)
	p.attempt = a
	go p.probe(a)
}

// landed ends a probe of p, and p with it if it was the last. It reports
// whether p was still wanted.
func (b *beater) landed(p *Pulse, last bool) (wanted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing--
	wanted = !p.ended
	switch {
	case !wanted:
	case last:
		b.end(p)
	default:
		p.attempt = nil
		b.rest(p)
	}
	b.rouse() // there is room for another probe
	return wanted
}

// remove ends p from outside and returns the attempt that may be under way.
func (b *beater) remove(p *Pulse) *attempt {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !p.ended {
		b.end(p)
	}
	return p.attempt
}

// end takes p out, and stops the beater if p was the last. The caller holds
// b.mu.
func (b *beater) end(p *Pulse) {
	p.ended = true
	if p.place >= 0 {
		heap.Remove(&b.due, p.place)
	}
	b.pulses--
	if b.pulses == 0 {
		b.over = true
		b.rouse()
	}
}

// join waits for the goroutine's end if the beater is over.
func (b *beater) join() {
	b.mu.Lock()
	over := b.over
	b.mu.Unlock()
	if over {
		<-b.gone
	}
}

// pulseHeap is a [heap.Interface] with the next pulse first.
type pulseHeap []*Pulse

func (h pulseHeap) Len() int           { return len(h) }
func (h pulseHeap) Less(i, j int) bool { return h[i].next < h[j].next }

func (h pulseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *pulseHeap) Push(p any) {
	p.(*Pulse).place = len(*h)
	*h = append(*h, p.(*Pulse))
}

func (h *pulseHeap) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	p.place = -1
	return p
}
