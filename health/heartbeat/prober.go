package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"example.com/hale/health"
)

const (
	defaultInterval = 30 * time.Second
	defaultTimeout  = 5 * time.Second
	jitter          = 10      // percent of the interval, either way
	probesMost      = 64      // that one Prober has under way at once
	longest         = 1 << 62 // of an interval or a timeout: 146 years, so that sums fit
)

// A Prober asks peers, by a probe of the application's own, whether they still
// serve. It is for connections that are not in use at the moment, such as the
// idle ones of a pool; while a connection is in use, its own traffic tells.
//
// One Prober serves any number of connections, with one goroutine for all
// of them as long as there are any, and one more for each probe under way.
// A peer that stops serving is reported after at most
//
//	(Failures + 1) × (1.1 × Interval + Timeout)
//
// of not being used, unless more than 64 probes hang at once: that many run at
// the same time, and others wait for their turn. The time in which this process
// stands still, because it is stopped, paused with its machine or gets no
// processor, is not the peer's: it comes on top.
//
// The fields must not be changed after the first Start, and a Prober must
// not be copied after it. Start may be called by several goroutines at once.
type Prober struct {
	// Interval is the time from the last use of a connection, or the end of
	// its last probe, to the next probe. Each one is drawn anew from within
	// 10 % either way, so that connections made together are not probed
	// together. Zero is 30 s. Start refuses what is negative or more than
	// 2^62 ns.
	Interval time.Duration
	// Timeout is for one probe, of time that this process is awake to see: a
	// standstill of its own that is longer than a tenth of a second and a
	// thirty-second of Timeout does not count. Zero is 5 s, or Interval if that
	// is shorter. Start refuses what is negative or more than 2^62 ns.
	Timeout time.Duration
	// Failures is how many failed probes in a row are tolerated. With zero, the
	// first one is a death. Use more than zero only if replies carry IDs, by
	// which the probe and the owner tell a late reply to an earlier probe from
	// their own. (A [crypto/tls.Conn] cannot be written to after a write has
	// timed out.) Start refuses what is negative.
	Failures int
	// Probe asks the peer at the other end of c, the connection that Start
	// was given, and returns nil if it is well. It must return when ctx is
	// done, or when calls on c fail, which they do from then on: both end with
	// Timeout. ctx has no Deadline to be copied into a connection: that would
	// pass while this process stands still, with the reply unread, and so
	// would one that Probe sets itself. It runs on a goroutine of its own,
	// never while the owner has the connection, and concurrently with the
	// probes of other connections. It must not call Stop or Lock of c's Pulse.
	// One that ends its goroutine (runtime.Goexit) has failed. It is required.
	Probe func(ctx context.Context, c net.Conn) error
	// After, if not nil, is called after each probe of c that did not end its
	// Pulse, once that is free again and before the next probe. It is for an
	// owner who found the Pulse locked and did not wait. It runs on the probe's
	// goroutine, which counts as a probe under way until it returns, and
	// concurrently with itself for other connections. It may call every method
	// of the Pulse; after a Stop, which waits for it as it does for dead, it is
	// not called.
	After func(c net.Conn)

	mu        sync.Mutex // guards scheduler; taken before the scheduler's own; nobody is called under it
	scheduler *scheduler
}

// Start begins the heartbeat of c; the first probe is one Interval away. A
// connection has one Pulse at a time. The error is about a field of r that is
// missing or out of range, and names it and its value.
//
// dead is called at most once, after which the Pulse has ended by itself:
//
//   - with [health.HeartbeatFailed] when a probe has failed and so had the tolerated
//     number before it. Err is the probe's error, Op "heartbeat"; Info and
//     Silence are what the kernel says at that moment, and so Silence is that
//     of the peer's kernel, not of its program. They are zero where the kernel
//     does not tell.
//   - with the cause of the connection's own death, as [health.Diagnose] and [health.Check]
//     find it, when a probe has failed for that reason, and with [health.PeerClosed]
//     if the peer has closed its side. Neither waits for Failures.
//
// It runs on a goroutine of its own, so that of several connections
// concurrently, and should close c, which a Prober never does: whatever a
// failed probe has left half said is on it. The Pulse stays locked until dead
// has returned, so that an owner who waits in Lock finds c closed. dead must
// not call Lock, nor wait for a goroutine that does; it may call Stop.
//
// For a probe, c's read and write deadlines are cleared; when its time is over
// they are set to one in the past. Afterwards those of a hale.Conn, also under
// wrappers as [health.Check] knows, are what they were before; others have none.
// A SetDeadline that fails is a failed probe.
//
// Call Stop before closing c. A connection that was closed nevertheless ends
// its Pulse at its next probe, without a call of dead: that is what an error
// says that matches [net.ErrClosed] and comes before Timeout. (A [net.Pipe]
// says io.ErrClosedPipe of either end, which is a failure.)
func (r *Prober) Start(c net.Conn, dead func(*health.DeadError)) (*Pulse, error) {
	set, err := r.settings()
	if err != nil {
		return nil, err
	}
	if c == nil || dead == nil {
		return nil, errors.New("heartbeat: Prober.Start needs a connection and a function")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scheduler != nil {
		if p := r.scheduler.add(c, dead); p != nil {
			return p, nil
		}
	}
	r.scheduler = newScheduler(set)
	return r.scheduler.add(c, dead), nil
}

// settings is a Prober's configuration with the defaults filled in.
type settings struct {
	interval, timeout time.Duration
	failures          int
	ask               func(context.Context, net.Conn) error
	after             func(net.Conn)
}

func (r *Prober) settings() (settings, error) {
	if err := r.check(); err != nil {
		return settings{}, err
	}
	set := settings{r.Interval, r.Timeout, r.Failures, r.Probe, r.After}
	if set.interval == 0 {
		set.interval = defaultInterval
	}
	if set.timeout == 0 {
		set.timeout = min(defaultTimeout, set.interval)
	}
	if set.after == nil {
		set.after = func(net.Conn) {}
	}
	return set, nil
}

func (r *Prober) check() error {
	switch {
	case r.Probe == nil:
		return errors.New("heartbeat: Prober.Probe is nil")
	case r.Interval < 0 || r.Interval > longest:
		return fmt.Errorf("heartbeat: Prober.Interval is %v, out of range", r.Interval)
	case r.Timeout < 0 || r.Timeout > longest:
		return fmt.Errorf("heartbeat: Prober.Timeout is %v, out of range", r.Timeout)
	case r.Failures < 0:
		return fmt.Errorf("heartbeat: Prober.Failures is %d, out of range", r.Failures)
	}
	return nil
}
