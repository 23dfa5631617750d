//go:build !linux || hale_sweep

package health

import (
	"errors"
	"io"
	"net"
	"reflect"
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
	mu    sync.Mutex       // guards what follows; nobody is called under it
	conns map[any]*watched // by their keys
	stop  chan struct{}

	round sync.Mutex // held during a round, for the methods of a Subject are called one at a time
}

func supervise(c *watched) (remove func(), err error) {
	if err := c.raw.Control(func(uintptr) {}); errors.Is(err, net.ErrClosed) {
		return nil, err
	}
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	if sweep.conns[c.key()] != nil {
		return nil, ErrWatched
	}
	if len(sweep.conns) == 0 {
		sweep.conns = make(map[any]*watched)
		sweep.stop = make(chan struct{})
		go runSweep(sweep.stop)
	}
	sweep.conns[c.key()] = c
	return func() { unsweep(c) }, nil
}

// key is what the connection is known by: itself, unless it cannot be compared.
func (c *watched) key() any {
	if reflect.ValueOf(c.conn).Comparable() {
		return c.conn
	}
	return c
}

func unsweep(c *watched) {
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	if sweep.conns[c.key()] != c {
		return // it was called before
	}
	delete(sweep.conns, c.key())
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
		if c.isSwept() { // still
			c.look()
		}
	}
}

func (c *watched) isSwept() bool {
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	return sweep.conns[c.key()] == c
}

func swept() []*watched {
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	conns := make([]*watched, 0, len(sweep.conns))
	for _, c := range sweep.conns {
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
