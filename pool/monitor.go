package pool

import (
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale/internal/netconn"
	"example.com/hale/internal/pauses"
)

// A Monitor finds the server that hangs under load: a program that is stopped or
// stuck, behind a kernel that goes on acknowledging. Keepalive does not see it,
// and heartbeats see idle connections only. The zero Monitor is off.
//
// When a connection has been in use for After without receiving a byte, the pool
// asks Config.Check on a connection of the monitor's own. A reply shows that the
// server serves: what is silent runs a slow query, and is let be. If there is
// none, those that are in use since before the asking, and have not received a
// byte since either, are ended under their callers' hands, as dead by
// [health.HeartbeatFailed]: calls on a *hale.Conn, or on what Open was given,
// return that *[health.DeadError]. A server that stops is noticed within
//
//	After, and a quarter of it but at most a second, + Failures × CheckTimeout
//
// if a connection stays in use for as long, and a Check returns at the end of
// its ctx. So callers have to wait longer than that.
//
// How a connection received anything is what the kernel says, and where that
// does not tell (on systems other than Linux and Android, and of Multipath TCP)
// what the connection says by a method Received() uint64, the bytes that it has
// read, once there are any; what the pool wraps to count its errors has it. A
// connection that cannot tell is not judged: there a *hale.Conn is one.
//
// The monitor's connection is made by Dial and Open when something is in use, or
// was since the last look, before there is any doubt: on a server that hangs nothing can be opened. It is
// kept, and no caller gets it. It is none of MaxConns and of what Stats and the
// Observer count, but for its Checks, which Observer.Heartbeat is told of: the
// server has to have room for one more. When it is lost, or cannot be had,
// another one is dialled after growing pauses, up to 15 s, and only while the
// endpoint is up; until then nothing is judged (Stats.Unmonitored). Invalidate
// has it replaced, and so has MaxConnLifetime.
//
// Only connections to the address that it leads to are judged. Behind a balancer
// that may be another server than the one in doubt: use it there only if the
// balancer sends all connections of a pool to one.
type Monitor struct {
	// After is how long a connection may be in use without receiving a byte
	// before the server is asked; then again every After. Zero is off; negative
	// is an error. It needs Check, and costs two system calls for each
	// connection in use, every quarter of After but at most once a second.
	After time.Duration
	// Failures is how many askings in a row have to fail. Zero is 2; negative is
	// an error. An asking has failed when CheckTimeout has passed without a
	// reply, and the next begins with the same Check still waiting: its ctx ends
	// after Failures × CheckTimeout, and a late reply counts. One whose Check
	// returned an error sooner ends with CheckTimeout as well, and Check is
	// called anew. It has not failed if the server has sent anything meanwhile,
	// if the server's kernel does not answer either (that is what the watch of a
	// *hale.Conn judges), if the connection died, or if Check panicked: none of
	// that shows a hang, and neither does a Dial or an Open that fails. So Check
	// must have no time limit of its own.
	Failures int
}

const defaultMonitorFailures = 2

func (m Monitor) validate(hasCheck bool) error {
	switch {
	case m.After < 0:
		return configError("Monitor.After", m.After, "must not be negative")
	case m.Failures < 0:
		return configError("Monitor.Failures", m.Failures, "must not be negative")
	case m.After > 0 && !hasCheck:
		return configError("Monitor.After", m.After, "set, but Check is nil")
	}
	return nil
}

// monitor is what a Monitor asks for. But for blind, all is its goroutine's.
type monitor[T any] struct {
	pool  *Pool[T]
	blind atomic.Bool // something is in use, and it has no connection

	slot     *slot[T]      // its connection, or nil
	parted   chan struct{} // closed when the one before is; nil if there was none
	pauses   backoff.BackOff
	dialAt   time.Time              // it dials no sooner
	seen     map[*slot[T]]listening // what is in use, and can be judged
	acquires int64                  // how many there had been
	heard    time.Time              // when the server was, on any connection; zero if never
	answered time.Time              // when it answered the monitor
	doubt    doubt[T]
}

// listening is what was seen of a connection in use.
type listening struct {
	use   uint64
	bytes uint64    // received
	since time.Time // when it received the last of them, or the use was seen first
}

// startMonitor starts the monitor, if the Config asks for one.
func (p *Pool[T]) startMonitor() {
	if p.config.Monitor.After == 0 {
		return
	}
	p.monitor = &monitor[T]{pool: p, pauses: pauses.Default()}
	p.wg.Keep(p.monitor.run)
}

// isBlind is whether there is a monitor that cannot tell.
func (m *monitor[T]) isBlind() bool { return m != nil && m.blind.Load() }

// every is the time between two looks.
func (m *monitor[T]) every() time.Duration {
	return max(roundLeast, min(m.pool.config.Monitor.After/4, roundEvery))
}

func (m *monitor[T]) run() {
	defer m.part(false)
	timer := time.NewTimer(m.every())
	defer timer.Stop()
	for {
		select {
		case <-m.pool.life.Done():
			return
		case <-timer.C:
		}
		timer.Reset(m.round())
	}
}

// round looks at what is in use, and asks if that is due. It returns when the
// next round is.
func (m *monitor[T]) round() (next time.Duration) {
	m.replace()
	m.listen()
	used := m.wasUsed()
	if m.slot == nil && (len(m.seen) > 0 || used && m.canJudge()) && m.open() {
		m.listen() // that has taken its time
	}
	m.blind.Store(m.slot == nil && len(m.seen) > 0)
	if m.slot == nil {
		return m.every()
	}
	if wait := m.due(); wait > 0 {
		return min(wait, m.every())
	}
	m.ask()
	if m.doubt.failures > 0 {
		return 0
	}
	return roundLeast
}

// listen looks at what is in use.
func (m *monitor[T]) listen() {
	seen := make(map[*slot[T]]listening)
	for _, s := range m.pool.conns.held() {
		w := s.load()
		bytes, last, known := s.received()
		if !known || w.state() != inUse || w&unfit != 0 {
			continue
		}
		now := listening{use: w.use(), bytes: bytes, since: time.Now()}
		was, before := m.seen[s]
		switch {
		case !before:
			m.hear(s.opened.time())
		case was.bytes != bytes:
			m.hear(last)
		case was.use == now.use:
			now.since = was.since
		}
		seen[s] = now
	}
	m.seen = seen
}

// wasUsed reports whether anything was acquired since the last look: uses that are
// short may all fall between two looks.
func (m *monitor[T]) wasUsed() bool {
	before := m.acquires
	m.acquires = m.pool.acquires.sum()
	return m.acquires != before
}

// canJudge reports whether there is a connection that tells what it has received.
func (m *monitor[T]) canJudge() bool {
	for _, s := range m.pool.conns.alive("") {
		if _, _, known := s.received(); known {
			return true
		}
	}
	return false
}

// hear takes note of a sign of life of the server.
func (m *monitor[T]) hear(at time.Time) {
	if at.After(m.heard) {
		m.heard = at
	}
}

// received is how many bytes the connection has received, and when the last, as
// far as is known now.
func (s *slot[T]) received() (bytes uint64, last time.Time, known bool) {
	if s.info != nil {
		info, err := s.info.Info()
		counts := info.BytesReceived > 0 || info.BytesAcked > 0 // not before Linux 4.1
		return info.BytesReceived, time.Now().Add(-info.SinceReceived), err == nil && counts
	}
	c, ok := netconn.Find[interface{ Received() uint64 }](s.conn)
	if !ok {
		return 0, last, false
	}
	bytes = c.Received()
	return bytes, time.Now(), bytes > 0 // or what is there reads past the counter
}

// concerns reports whether what the monitor's connection shows is true of s.
func (m *monitor[T]) concerns(s *slot[T]) bool {
	return s.epoch == m.slot.epoch && s.remote == m.slot.remote
}

// due is how long it takes until the server is to be asked.
func (m *monitor[T]) due() time.Duration {
	if m.doubt.failures > 0 && m.hasSilent() {
		return 0
	}
	m.doubt = doubt[T]{}
	after := m.pool.config.Monitor.After
	wait := after
	for s, l := range m.seen {
		if m.concerns(s) {
			wait = min(wait, after-min(time.Since(l.since), time.Since(m.answered)))
		}
	}
	return wait
}

// hasSilent reports whether anything has received nothing since the doubt began.
func (m *monitor[T]) hasSilent() bool {
	for s, was := range m.doubt.first {
		if m.concerns(s) && m.seen[s].use == was.use && m.seen[s].bytes == was.bytes {
			return true
		}
	}
	return false
}
