package otelhale

import (
	"net"
	"sync"
	"time"

	"example.com/hale/health"
)

// obituary is what a connection tells of its death that a pool does not know.
type obituary struct {
	dead             *health.DeadError
	peer             net.Addr
	earliest, latest time.Duration // the predicted detection window
}

// obituaries remembers the latest deaths. A dialer's observer hears of one
// just before the pool does.
type obituaries struct {
	mu   sync.Mutex // guards what follows
	ring [128]obituary
	next int
}

func (o *obituaries) add(entry obituary) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ring[o.next] = entry
	o.next = (o.next + 1) % len(o.ring)
}

// find returns what is remembered of dead, or false.
func (o *obituaries) find(dead *health.DeadError) (obituary, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.ring {
		if dead != nil && o.ring[i].dead == dead {
			return o.ring[i], true
		}
	}
	return obituary{}, false
}
