package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	heartbeatInterval = 30 * time.Second
	heartbeatTimeout  = 5 * time.Second
	heartbeatJitter   = 10      // percent of the interval, either way
	heartbeatProbes   = 64      // that one Heartbeat has under way at once
	heartbeatLongest  = 1 << 62 // of an interval or a timeout: 146 years, so that sums fit
)

// A Heartbeat asks peers, by a probe of the application's own, whether they
// still serve. It finds what no kernel can: a process that hangs or is stopped
// behind a kernel that goes on answering. It is for connections that nobody is
// using at the moment, such as the idle ones of a pool; while a connection is
// in use, its own traffic tells.
//
// One Heartbeat serves any number of connections, with one goroutine for all
// of them as long as there are any, and one more for each probe under way.
// A peer that stops serving is reported after at most
//
//	(Failures + 1) × (1.1 × Interval + Timeout)
//
// of not being used, unless more than 64 probes hang at once: that many run at
// the same time, and others wait for their turn.
//
// The fields must not be changed after the first Start, and a Heartbeat must
// not be copied after it. Start may be called by several goroutines at once.
type Heartbeat struct {
	// Interval is the time from the last use of a connection, or the end of
	// its last probe, to the next probe. Each one is drawn anew from within
	// 10 % either way, so that connections made together are not probed
	// together. Zero is 30 s. Start refuses what is negative or more than
	// 2^62 ns.
	Interval time.Duration
	// Timeout is for one probe. Zero is 5 s, or Interval if that is shorter.
	// Start refuses what is negative or more than 2^62 ns.
	Timeout time.Duration
	// Failures is how many failed probes in a row are tolerated. With zero,
	// the first one is a death. Anything else needs a probe that can tell the
	// late answer to an earlier one from its own, and an owner who can; most
	// protocols have no way to. (A [crypto/tls.Conn] cannot be written to
	// after a write has timed out.) Start refuses what is negative.
	Failures int
	// Probe asks the peer at the other end of c, the connection that Start
	// was given, and returns nil if it is well. It must return when ctx is
	// done, or when calls on c do: both ctx and c's deadlines end with
	// Timeout. It runs on a goroutine of its own, never while the owner has
	// the connection, and concurrently with the probes of other connections.
	// It must not call Stop or Lock of c's Pulse. It is required.
	Probe func(ctx context.Context, c net.Conn) error

	mu     sync.Mutex // guards beater; taken before the beater's own; nobody is called under it
	beater *beater
}

// Start begins the heartbeat of c; the first probe is one Interval away. A
// connection has one Pulse at a time. The error is about a field of h that is
// missing or out of range, and names it and its value.
//
// dead is called at most once, after which the Pulse has ended by itself:
//
//   - with [HeartbeatFailed] when a probe has failed and so had the tolerated
//     number before it. Err is the probe's error, Op "heartbeat"; Info and
//     Silence are what the kernel says at that moment, and so Silence is that
//     of the peer's kernel, not of its program. They are zero where the kernel
//     does not tell.
//   - with the cause of the connection's own death, as [Diagnose] and [Check]
//     find it, when a probe has failed for that reason, and with [PeerClosed]
//     if the peer has closed its side. Neither waits for Failures.
//
// It runs on a goroutine of its own, so that of several connections
// concurrently, and should close c, which a Heartbeat never does: whatever a
// failed probe has left half said is on it. The Pulse stays locked until dead
// has returned, so that an owner who waits in Lock finds c closed. dead must
// not call Lock, nor wait for somebody who does; it may call Stop.
//
// For a probe, c's read and write deadlines are set to its end. Afterwards
// those of a hale.Conn, also under wrappers with a NetConn method, are what
// they were before; others have none. A SetDeadline that fails is a failed
// probe.
//
// Call Stop before closing c. A connection that was closed nevertheless ends
// its Pulse at its next probe, without a call of dead: that is what an error
// says that matches [net.ErrClosed] and comes before Timeout. (A [net.Pipe]
// says io.ErrClosedPipe of either end, which is a failure.)
func (h *Heartbeat) Start(c net.Conn, dead func(*DeadError)) (*Pulse, error) {
	r, err := h.rhythm()
	if err != nil {
		return nil, err
	}
	if c == nil || dead == nil {
		return nil, errors.New("health: Heartbeat.Start needs a connection and a function")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.beater != nil {
		if p := h.beater.add(c, dead); p != nil {
			return p, nil
		}
	}
	h.beater = newBeater(r)
	return h.beater.add(c, dead), nil
}

// rhythm is a Heartbeat's configuration with the defaults filled in.
type rhythm struct {
	interval, timeout time.Duration
	failures          int
	ask               func(context.Context, net.Conn) error
}

func (h *Heartbeat) rhythm() (rhythm, error) {
	if err := h.check(); err != nil {
		return rhythm{}, err
	}
	r := rhythm{h.Interval, h.Timeout, h.Failures, h.Probe}
	if r.interval == 0 {
		r.interval = heartbeatInterval
	}
	if r.timeout == 0 {
		r.timeout = min(heartbeatTimeout, r.interval)
	}
	return r, nil
}

func (h *Heartbeat) check() error {
	switch {
	case h.Probe == nil:
		return errors.New("health: Heartbeat.Probe is nil")
	case h.Interval < 0 || h.Interval > heartbeatLongest:
		return fmt.Errorf("health: Heartbeat.Interval is %v, out of range", h.Interval)
	case h.Timeout < 0 || h.Timeout > heartbeatLongest:
		return fmt.Errorf("health: Heartbeat.Timeout is %v, out of range", h.Timeout)
	case h.Failures < 0:
		return fmt.Errorf("health: Heartbeat.Failures is %d, out of range", h.Failures)
	}
	return nil
}
