package heartbeat

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/awake"
	"example.com/hale/internal/notify"
)

// never is a time that does not come.
const never time.Duration = 1<<63 - 1

// scheduler starts the probes of a Prober, from the first Pulse to the last. Its
// goroutine starts them when they are due and never waits for one.
type scheduler struct {
	settings
	began time.Time     // its clock counts from here
	wake  chan struct{} // something has changed
	ended chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards what follows, and parts of the pulses; nobody is called under it
	due     pulseHeap  // pulses with no probe under way
	pulses  int        // that have not ended
	probing int        // probes under way
	over    bool       // the last pulse has ended, and no other is added
}

func newScheduler(r settings) *scheduler {
	s := &scheduler{settings: r, began: time.Now(), wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go s.run()
	return s
}

func (s *scheduler) now() time.Duration { return time.Since(s.began) }

// add makes a Pulse, or returns nil if the last one has ended.
func (s *scheduler) add(c net.Conn, dead func(*health.DeadError)) *Pulse {
	p := &Pulse{
		scheduler: s, conn: c,
		dead: notify.New(dead), after: notify.New(s.after),
		lock: newLock(int64(s.now())),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	s.pulses++
	s.schedule(p)
	return p
}

// schedule puts p down for its next probe. The caller holds s.mu.
func (s *scheduler) schedule(p *Pulse) {
	spread := s.interval / 100 * jitter
	p.pause = s.interval - spread + rand.N(2*spread+1)
	p.next = s.now() + p.pause
	heap.Push(&s.due, p)
	s.signal()
}

// lookAgain has a pulse looked at, which was locked when a probe was due.
func (s *scheduler) lookAgain(p *Pulse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.place >= 0 {
		p.next = 0
		heap.Fix(&s.due, p.place)
		s.signal()
	}
}

// signal makes the goroutine look at what has changed.
func (s *scheduler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *scheduler) run() {
	defer close(s.ended)
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		wait, more := s.startDue()
		if !more {
			return
		}
		timer.Stop()
		if wait != never {
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
		case <-s.wake:
		}
	}
}

// startDue starts the probes that are due, as far as there is room, and returns
// how long there is nothing to do.
func (s *scheduler) startDue() (wait time.Duration, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.due) > 0 && s.probing < probesMost {
		p, now := s.due[0], s.now()
		if p.next > now {
			return p.next - now, true
		}
		if again, ok := p.lockDue(now); !ok {
			p.next = again
			heap.Fix(&s.due, 0)
			continue
		}
		heap.Pop(&s.due)
		s.start(p)
	}
	return never, !s.over
}

// start starts a probe of p, whose connection it has. The caller holds s.mu.
func (s *scheduler) start(p *Pulse) {
	s.probing++
	a := &attempt{done: make(chan struct{})}
	a.ctx, a.cancel = awake.WithTimeout(context.Background(), s.timeout)
	p.attempt = a
	go p.probe(a)
}

// finished ends a probe of p, and p with it if it was the last. It reports
// whether p was still wanted.
func (s *scheduler) finished(p *Pulse, last bool) (wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probing--
	wanted = !p.ended
	switch {
	case !wanted:
	case last:
		s.end(p)
	default:
		p.attempt = nil
		s.schedule(p)
	}
	s.signal() // there is room for another probe
	return wanted
}

// remove ends p from outside and returns the attempt that may be under way.
func (s *scheduler) remove(p *Pulse) *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !p.ended {
		s.end(p)
	}
	return p.attempt
}

// end takes p out, and stops the scheduler if p was the last. The caller holds
// s.mu.
func (s *scheduler) end(p *Pulse) {
	p.ended = true
	if p.place >= 0 {
		heap.Remove(&s.due, p.place)
	}
	s.pulses--
	if s.pulses == 0 {
		s.over = true
		s.signal()
	}
}

// join waits for the goroutine's end if the scheduler is over.
func (s *scheduler) join() {
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	if over {
		<-s.ended
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
