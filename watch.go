package hale

import (
	"sync"

	"example.com/hale/health"
	"example.com/hale/internal/notify"
	"example.com/hale/sockopt"
)

// Watch calls dead when the connection dies, and before that, with
// [health.PeerClosed], when the peer closes its side; see [health.Watch] for
// what dead may do. What has happened already is told at once. A Close of this
// side is told as well, with [health.LocalClosed]; while dead is running, one by
// dead itself for instance, that is told once dead has returned.
//
// Once stop has returned, dead is not running and will not be called (unless
// stop was called by dead).
func (c *Conn) Watch(dead func(*health.DeadError)) (stop func()) {
	over := false
	call := notify.New(func(e *health.DeadError) {
		// Two goroutines may come with the two events, in either order.
		if over {
			return
		}
		over = c.verdict.final() == e
		dead(e)
	})
	if missed := c.verdict.watch(call); missed != nil {
		call.Fire(missed)
	}
	return func() {
		c.verdict.unwatch(call)
		call.Stop()
	}
}

// watch is the connection's own registration with the death watch.
type watch struct {
	mu     sync.Mutex // guards remove
	remove func()
	on     bool // set before anybody has the connection
}

// startWatch has the connection watched until it is closed.
func (c *Conn) startWatch() error {
	c.watch.on = true
	remove, err := health.Supervise(c.TCPConn, limitsOf(c.Report()), (*subject)(c))
	if err != nil {
		c.watch.on = false
		return err
	}
	c.watch.mu.Lock()
	c.watch.remove = remove
	c.watch.mu.Unlock()
	if c.closed.Load() { // by an observer that was told of a death already
		remove()
	}
	return nil
}

func (c *Conn) stopWatch() {
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	if c.watch.remove != nil {
		c.watch.remove()
	}
}

// limitsOf says when a silence is worth a look, and when it is too long: for
// the whole detection window, or the user timeout that was asked for if that
// is longer.
func limitsOf(r sockopt.Report) health.Limits {
	var l health.Limits
	if !r.Got.Disabled {
		l.Idle = max(r.Got.Idle, 0)
	}
	if asked := r.Asked.UserTimeout; asked > 0 {
		l.Silence = asked
		if _, latest := r.Window(); latest != sockopt.Never {
			l.Silence = max(asked, latest)
		}
	}
	return l
}

// subject is a Conn as the watch sees it.
type subject Conn

func (s *subject) conn() *Conn { return (*Conn)(s) }

func (s *subject) PeerClosed(fin *health.DeadError) { s.conn().peerClosed(fin) }

func (s *subject) Dead(dead *health.DeadError) { s.conn().end(dead) }

func (s *subject) Suspect(info health.Info) {
	s.suspect.Store(true)
	s.observer.suspect(SuspectInfo{Conn: s.conn(), Info: info})
}

func (s *subject) Recovered(info health.Info) {
	s.suspect.Store(false)
	s.observer.recovered(RecoveredInfo{Conn: s.conn(), Info: info})
}
