package pool

import (
	"fmt"
	"time"

	"example.com/hale/health"
)

// A server that is full may accept a connection all the same, and close it. To the
// dialer that is no dial that failed, and yet the next one would fare no better.

const (
	// rejectionsMost is how many connections in a row have to be rejected: a server
	// that closes connections early, and takes new ones, does that to one now and then.
	rejectionsMost = 3
	// rejectedWithin is how old a connection is at most that was rejected before
	// anything was asked on it.
	rejectedWithin = firstPause / 2
	// finCounts is what a FIN adds to the bytes that Linux has received
	// (tcp_rcv_nxt_update in net/ipv4/tcp_input.c).
	finCounts = 1
)

// rejections is connections in a row that the endpoint has accepted, and closed
// before it had sent a byte.
type rejections struct {
	count int
	last  time.Time // when the newest of them was opened
}

// rejected takes note of one more, opened at a time; another, opened since the last,
// may have been served. It reports whether the endpoint takes no more of them.
func (r *rejections) rejected(opened time.Time, served bool) (full bool) {
	if served {
		r.count = 0
	}
	r.count++
	r.last = opened
	return r.count >= rejectionsMost
}

// rejectedAt is when the newest connection was opened of those that were rejected in
// a row; zero if none was.
func (d *dialer) rejectedAt() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rejections.last
}

// turnAway has dials be made as by a full server, if the endpoint has rejected a few
// connections in a row while others live. The caller holds mu.
func (d *dialer) turnAway(dead loss, have demand) {
	if !dead.rejected {
		d.rejections = rejections{}
		return
	}
	opened := time.Now().Add(-dead.age)
	if !d.rejections.rejected(opened, dead.served) || d.state != up || d.current != nil || have.fit == 0 {
		return
	}
	d.refused(fmt.Errorf("pool: accepted and closed unheard: %w", dead.why), opened)
	d.serves = time.Now()
	d.leaveUp(full, have)
}

// rejection reports whether a connection that has died was rejected: ended by the
// peer, which had not sent a byte on it, although it was asked, or at once; and then
// whether another was served that was opened since the last rejection. Only a kernel
// can tell.
func (p *Pool[T]) rejection(s *slot[T], dead loss) (rejected, served bool) {
	if s.info == nil || dead.age >= p.config.StableAfter || dead.why.Cause != health.PeerClosed && dead.why.Cause != health.Reset {
		return false, false
	}
	info := dead.why.Info
	if info == (health.Info{}) {
		info, _ = s.info.Info()
	}
	asked := info.BytesSent > 0 || dead.age < rejectedWithin
	if info == (health.Info{}) || info.BytesReceived > finCounts || !asked {
		return false, false
	}
	since := p.dialer.rejectedAt()
	if since.IsZero() {
		return true, false
	}
	for _, other := range p.conns.alive("") {
		if other.info != nil && other.opened.time().After(since) {
			info, err := other.info.Info()
			served = served || err == nil && info.BytesReceived > 0 && info.State == health.TCPEstablished
		}
	}
	return true, served
}
