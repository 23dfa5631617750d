//go:build !linux || hale_sweep

package health

import (
	"errors"
	"io"
	"sync"
	"time"
)

// sweepPeriod is how often every watched connection is looked at where the
// kernel does not tell by itself.
const sweepPeriod = time.Second

// place is nothing here: the sweep finds connections by themselves.
type place struct{}

// sweep is the process's death watch: a goroutine that looks at all
// connections in turn. It is started by the first and stopped by the last.
var sweep struct {
	mu    sync.Mutex // guards what follows; nobody is called under it
	conns map[*watched]struct{}
	stop  chan struct{}

	round sync.Mutex // held during a round, for the methods of a Subject are called one at a time
}

func supervise(c *watched) (remove func(), err error) {
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	if len(sweep.conns) == 0 {
		sweep.conns = make(map[*watched]struct{})
		sweep.stop = make(chan struct{})
		go runSweep(sweep.stop)
	}
	sweep.conns[c] = struct{}{}
	return func() { unsweep(c) }, nil
}

func unsweep(c *watched) {
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	if _, ok := sweep.conns[c]; !ok {
		return
	}
	delete(sweep.conns, c)
	if len(sweep.conns) == 0 {
		close(sweep.stop)
	}
}

func runSweep(stop chan struct{}) {
	ticker := time.NewTicker(sweepPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			sweepRound()
		}
	}
}

func sweepRound() {
	sweep.round.Lock()
	defer sweep.round.Unlock()
	for _, c := range swept() {
		c.look()
	}
}

func swept() []*watched {
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	conns := make([]*watched, 0, len(sweep.conns))
	for c := range sweep.conns {
		conns = append(conns, c)
	}
	return conns
}

// look is one look at c, and what follows from it.
func (c *watched) look() {
	var dead *DeadError
	if !errors.As(lookAt(c.conn), &dead) {
		return
	}
	switch {
	case dead.Cause == LocalClosed:
		unsweep(c)
	case errors.Is(dead.Err, io.EOF):
		c.closedByPeer(dead.Info)
	default:
		unsweep(c)
		dead.Op = "watch"
		c.subject.Dead(dead)
	}
}

// Instant reports whether a watch is told of a death by the kernel, at once. It
// is true on Linux and Android; elsewhere the watch looks from time to time.
const Instant = false
