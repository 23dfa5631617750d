//go:build !linux || hale_sweep

package deathwatch

import (
	"errors"
	"net"
	"reflect"
	"sync"
	"syscall"
	"time"

	"example.com/hale/internal/rawconn"
)

// sweepPeriod is how often every watched connection is looked at where the
// kernel does not tell by itself.
const sweepPeriod = time.Second

// place is what the connection is known by.
type place struct{ key any }

// options are those that the watch changes for a while: none here.
type options struct{}

func (c *Supervision) putBack(syscall.RawConn) {}

func (c *Supervision) aside(_ syscall.RawConn, do func()) { do() }

// sweep is the process's death watch: a goroutine that looks at all
// connections in turn. It is started by the first and stopped by the last.
var sweep struct {
	mu    sync.Mutex // guards what follows; nobody is called under it
	conns map[any]*Supervision
	stop  chan struct{}

	round sync.Mutex // held during a round, for the methods of a Subject are called one at a time
}

func watch(c *Supervision, s Subject) error {
	if err := s.Socket().Control(func(uintptr) {}); errors.Is(err, net.ErrClosed) {
		return err
	}
	c.place.key = keyOf(c)
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	if sweep.conns[c.place.key] != nil {
		return ErrWatched
	}
	if len(sweep.conns) == 0 {
		sweep.conns = make(map[any]*Supervision)
		sweep.stop = make(chan struct{})
		go runSweep(sweep.stop)
	}
	sweep.conns[c.place.key] = c
	return nil
}

// refuse returns the error for a socket that a look would never find dead.
func refuse(s Subject) error {
	if stream, err := rawconn.IsStream(s.Socket()); err == nil && !stream {
		return noSuchWatch(s)
	}
	return nil
}

// keyOf is the ref, or the connection that [Watch] was given unless it cannot
// be compared.
func keyOf(c *Supervision) any {
	p, ok := c.ref.(plain)
	switch {
	case !ok:
		return c.ref
	case reflect.ValueOf(p.rawSocket).Comparable():
		return p.rawSocket
	}
	return c
}

func unwatch(c *Supervision) {
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	if c.place.key == nil || sweep.conns[c.place.key] != c {
		return // it was called before
	}
	delete(sweep.conns, c.place.key)
	if len(sweep.conns) == 0 {
		close(sweep.stop)
	}
}

// lookSoon has nothing to hurry for: the next look is at most a second away.
func lookSoon(*Supervision) {}

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

func (c *Supervision) isSwept() bool {
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	return sweep.conns[c.place.key] == c
}

func swept() []*Supervision {
	sweep.mu.Lock()
	defer sweep.mu.Unlock()
	conns := make([]*Supervision, 0, len(sweep.conns))
	for _, c := range sweep.conns {
		conns = append(conns, c)
	}
	return conns
}

// look is one look at c, and what follows from it.
func (c *Supervision) look() {
	s := c.ref.Subject()
	if s == nil {
		unwatch(c)
		c.ref.Dropped()
		return
	}
	if c.lookByCheck(s) {
		unwatch(c)
	}
}

// tellsLittle: the watch makes do with [health.Check] anyway.
func tellsLittle(Subject) bool { return false }

// canAsk: the kernel cannot be made to ask.
const canAsk = false

// segmentsIn is not asked for.
func segmentsIn(syscall.RawConn) uint32 { return 0 }

// probeNow is not to be had.
func probeNow(syscall.RawConn) (undo func(), err error) { return nil, errors.ErrUnsupported }
