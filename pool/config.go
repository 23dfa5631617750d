package pool

import (
	"cmp"
	"context"
	"math"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale/internal/pauses"
)

// The defaults of a [Config], whose comments have their values.
const (
	defaultMaxDials       = 4
	defaultDialTimeout    = 10 * time.Second
	defaultCheckTimeout   = time.Second // short, because a caller may be waiting
	defaultLifetimeJitter = 0.1
	defaultStableAfter    = 10 * time.Second
	defaultCloseTimeout   = 5 * time.Second
)

// Config says what is pooled and how. Dial and MaxConns are required;
// elsewhere zero is the documented default. A negative number is an error
// unless it says otherwise.
//
// A panic in a function of the Config is an error of that call, a [PanicError].
// PrepareAcquire and AfterRelease run on their caller's goroutine, the others on
// goroutines of their own: one of those that has not returned a second after its
// ctx ended has failed; what Dial or Open return later is closed.
type Config[T any] struct {
	// Name tells pools apart in traces and metrics. It may be empty.
	Name string

	// Dial connects to the endpoint; the DialContext of a hale.Dialer is what
	// it is made for. It is called again for each attempt, so names are
	// resolved anew. ctx ends after DialTimeout and carries the values of the
	// Acquire that caused the dial, if one did. Hand it on to the Dialer: so the
	// pool knows the *hale.Conn that was dialled under any wrapper (a SOCKS
	// proxy's, a tunnel's), also under one that does not show it.
	Dial func(ctx context.Context) (net.Conn, error)

	// Open makes a T of a new connection: logs in, wraps. DialTimeout bounds
	// Dial and Open together: ctx ends then, and so do calls on conn, whose
	// deadline it is meanwhile. If Open fails, the pool closes the connection.
	// It may be nil if T is net.Conn. A connection other than a *hale.Conn is
	// wrapped to count its errors; the wrapper's NetConn method returns the
	// original, or the *hale.Conn if the original hides it.
	Open func(ctx context.Context, conn net.Conn) (T, error)

	// Close ends a T in good order and closes its connection. Nil closes the
	// connection. One that is known to be dead is closed before Close is called:
	// the peer cannot hear a farewell, but what T keeps besides the connection
	// can be freed. Close is not called for what Shutdown aborts, which a caller
	// still uses. It runs on a goroutine of its own, and nobody waits for it but
	// Shutdown and whoever needs the place: the connection is one of MaxConns
	// until Close has returned, or CloseTimeout is over.
	Close func(T) error

	// Check asks the endpoint whether a connection that no caller uses still
	// works, as by a ping. Nil asks the kernel at the other end, by the
	// connection's method Ping, which a hale.Conn has and which works on Linux;
	// where there is none, only what this kernel knows counts. ctx ends after
	// CheckTimeout (for Config.Monitor see there), and calls on the connection fail from then on; afterwards
	// it has no deadline. ctx has no Deadline to be copied into the connection:
	// that would pass while this process stands still (stopped, paused with its
	// machine, without a processor) and the reply lies unread, and so would one
	// that Check sets itself. After an error the connection is closed as one
	// whose peer is silent, [health.HeartbeatFailed], unless the error is
	// another death. Check is called for several connections at a time.
	Check func(ctx context.Context, value T) error

	// Reset vouches for a connection on which a deadline passed, or of which
	// AfterRelease says no: it is called after Release, and the connection is kept
	// if it returns nil. ctx and the connection are as for Check. If Reset is nil,
	// such a connection is closed. Reset has to get rid of a reply that is still
	// under way.
	Reset func(ctx context.Context, value T) error

	// PrepareAcquire makes a connection ready for the caller who is about to get
	// it, also if he had to wait: sets a role, asks the server something. It
	// runs on his goroutine and under his ctx, for Acquire, TryAcquire,
	// AcquireAllIdle and Do, which take as long as it does; unlike Check it has
	// to end with ctx by itself, and may leave no deadline behind. After an error
	// the connection is closed, for [ReasonFault] unless it has died, and Acquire
	// goes on to another; at the MaxConns+1st error it returns that one, for which
	// SafeToRetry holds, as what PrepareAcquire sends is no request. If ctx has
	// ended, Acquire returns its error, and the connection is closed or reset, as
	// after a deadline. Nil costs nothing.
	PrepareAcquire func(ctx context.Context, value T) error

	// AfterRelease says of every connection that is released without a fault
	// whether it can be used again as it is: false for a session that was left in
	// a transaction, say. Such a connection is Reset's affair, as after a deadline,
	// and without Reset it is closed, for [ReasonFault]. It runs on the goroutine of
	// Release, so it must not wait for the network, but look at what value knows;
	// Reset is there for what takes a round trip. It must not keep value. Nil costs
	// nothing.
	AfterRelease func(value T) bool

	// Resolve returns the addresses that the endpoint's name has now, as
	// net.DefaultResolver.LookupNetIP(ctx, "ip", host) does. With it a pool parts
	// with connections to an address that is gone from the answers, as after a
	// failover by DNS: idle ones are closed at once, those in use when they are
	// released ([ReasonMoved]). Nil keeps them.
	//
	// It is called in the background: at the beginning, after each death of a
	// connection, after a dial to an address that no answer has had, and every
	// ResolveEvery; one call at a time, and none within a second of the last. ctx
	// ends after DialTimeout. An error, or no addresses, changes nothing, and is
	// asked again after pauses that grow to a minute.
	//
	// An address is gone if it was in an answer once, and those of a second or
	// longer, two at least, are without it, but have another of its family, IPv4
	// or IPv6. If one comes back within five minutes, as of a name whose answers
	// rotate, others have to be missing for twice as long as it was, for the next 20
	// minutes at least. A dial to it counts as an answer. Connections to an address that
	// no answer has had, as that of a proxy, or to none, as a Unix socket's, are
	// let be. Ports and zones do not count, and an IPv4 address that is mapped
	// into IPv6 is the same.
	Resolve      func(ctx context.Context) ([]netip.Addr, error)
	ResolveEvery time.Duration // how often to call Resolve even if nothing happens; 0 is never

	MaxConns     int // the most connections at a time, those included that are being dialled or closed, but not what was hijacked; required, at most 2^31-1; Resize changes it
	MinConns     int // how many to keep, idle or in use; 0 opens them on demand
	MinIdleConns int // how many to keep idle beyond those in use, within MaxConns
	MaxWaiters   int // how many callers may queue once all MaxConns are taken or being dialled; 0 is no limit
	MaxDials     int // the most dials at a time; 0 is 4

	MaxConnLifetime time.Duration // 0 is for ever
	LifetimeJitter  float64       // part of MaxConnLifetime, 0 to 1, by which it is shortened at random; 0 is 0.1, negative is none
	MaxConnIdleTime time.Duration // 0 is for ever; connections that MinConns or MinIdleConns needs are kept

	// DialTimeout is for Dial and Open together; 0 is 10 s. It is
	// ctx's Deadline, which a net.Dialer divides among the addresses of a name,
	// and so passes while this process stands still. A dial that fails by a
	// timeout and meanwhile missed more than an eighth of DialTimeout, and a
	// tenth of a second, is made again at once with all of the time: once, and
	// the failure of the first is neither counted nor told to the Observer.
	DialTimeout time.Duration
	// CheckTimeout is for one Check or Reset, of time that this process is awake
	// to see: a standstill of its own that is longer than a tenth of a second
	// and a thirty-second of CheckTimeout does not count, nor is it part of the
	// Silence of a death. 0 is 1 s.
	CheckTimeout time.Duration
	// CloseTimeout is how long Close, or else the Close of the connection, may
	// take; then the connection is aborted. 0 is 5 s.
	CloseTimeout time.Duration
	CheckAfter   time.Duration // idle time after which Acquire calls Check first (see there for nil); it waits for Check at most half of the time left in its ctx; 0 is never
	Heartbeat    time.Duration // how often to call Check on an idle connection, give or take a tenth; at most 64 at a time; 0 is never
	// Monitor finds a server that hangs while connections are in use; zero is off.
	Monitor Monitor

	// Backoff makes the pauses between attempts to reconnect, and before the
	// pool replaces a connection that died young (see StableAfter); it is called
	// once, and the result is used by one goroutine at a time. The pool never
	// gives up: where NextBackOff says Stop, or panics, the last pause is repeated. Nil is
	// an exponential backoff from 50 ms to 15 s with a jitter of one half.
	Backoff func() backoff.BackOff
	// StableAfter is how long all has to be well, from the first dial that
	// succeeds after one that failed, before the pauses begin from the shortest
	// again; a server that is full, and replies, is well. A connection that dies younger than that is not replaced in the
	// background before a pause; callers that wait are dialled for at once. 0 is
	// 10 s.
	StableAfter time.Duration

	// FailFast makes Acquire return an error that matches [ErrUnavailable] at
	// once while the endpoint is down, instead of waiting for its ctx. An
	// endpoint that refuses a dial is not down yet if connections to it live: a
	// reply on one of them within CheckTimeout shows that it is only full, and
	// callers wait for what comes free.
	FailFast bool

	// KeepUnread allows unread bytes on a connection that is handed out: set it
	// for protocols in which the peer speaks unasked, such as HTTP/2 and with it
	// gRPC. Otherwise Acquire looks at the socket of one that was used before, or that
	// Open has used, and closes it if the peer has sent anything since, so that a
	// late reply cannot reach the next caller; and so does whoever calls Check. TLS records are let be, wherever TLS is, but for an
	// alert: they may be session tickets. It cannot be known on systems other than
	// Unix. A caller who abandons a request has to Close the connection: a reply
	// may arrive only after the next Acquire.
	KeepUnread bool

	// LeakAfter is how long a connection may be held before the Observer is
	// told who holds it; 0 is never. With it Snapshot tells of every connection in
	// use who holds it. It costs a stack trace for each Acquire.
	LeakAfter time.Duration

	// Observer is told what happens; it may be nil.
	Observer *Observer
}

// withDefaults returns c with its zero fields filled in, or what is wrong.
func (c Config[T]) withDefaults() (Config[T], error) {
	if err := c.validate(); err != nil {
		return c, err
	}
	c.MaxDials = cmp.Or(c.MaxDials, defaultMaxDials)
	c.DialTimeout = cmp.Or(c.DialTimeout, defaultDialTimeout)
	c.CheckTimeout = cmp.Or(c.CheckTimeout, defaultCheckTimeout)
	c.CloseTimeout = cmp.Or(c.CloseTimeout, defaultCloseTimeout)
	c.StableAfter = cmp.Or(c.StableAfter, defaultStableAfter)
	c.Monitor.Failures = cmp.Or(c.Monitor.Failures, defaultMonitorFailures)
	c.LifetimeJitter = max(0, cmp.Or(c.LifetimeJitter, defaultLifetimeJitter))
	if c.Backoff == nil {
		c.Backoff = pauses.Default
	}
	return c, nil
}

// Validate returns the error that New would, if a field is wrong, and nil
// otherwise. It calls no function of the Config.
func (c Config[T]) Validate() error { return c.validate() }

func (c Config[T]) validate() error {
	for _, n := range []struct {
		field string
		value int
	}{
		{"MinConns", c.MinConns}, {"MinIdleConns", c.MinIdleConns},
		{"MaxWaiters", c.MaxWaiters}, {"MaxDials", c.MaxDials},
	} {
		if n.value < 0 {
			return configError(n.field, n.value, "must not be negative")
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"MaxConnLifetime", c.MaxConnLifetime}, {"MaxConnIdleTime", c.MaxConnIdleTime},
		{"DialTimeout", c.DialTimeout}, {"CheckAfter", c.CheckAfter}, {"CheckTimeout", c.CheckTimeout},
		{"CloseTimeout", c.CloseTimeout}, {"Heartbeat", c.Heartbeat}, {"StableAfter", c.StableAfter}, {"LeakAfter", c.LeakAfter},
		{"ResolveEvery", c.ResolveEvery},
	} {
		if d.value < 0 {
			return configError(d.field, d.value, "must not be negative")
		}
	}
	return c.contradiction()
}

func (c Config[T]) contradiction() error {
	_, plain := any((*T)(nil)).(*net.Conn)
	switch {
	case c.Dial == nil:
		return configError("Dial", "nil", "a pool needs a way to connect")
	case c.Open == nil && !plain:
		return configError("Open", "nil", "only a pool of net.Conn can do without")
	case c.MaxConns < 1:
		return configError("MaxConns", c.MaxConns, "must be at least 1")
	case c.MaxConns > math.MaxInt32:
		return configError("MaxConns", c.MaxConns, "above "+strconv.Itoa(math.MaxInt32))
	case c.MinConns > c.MaxConns:
		return configError("MinConns", c.MinConns, "above MaxConns, "+strconv.Itoa(c.MaxConns))
	case c.MinIdleConns > c.MaxConns:
		return configError("MinIdleConns", c.MinIdleConns, "above MaxConns, "+strconv.Itoa(c.MaxConns))
	case !(c.LifetimeJitter <= 1):
		return configError("LifetimeJitter", c.LifetimeJitter, "must be at most 1, the whole lifetime")
	case c.MaxConnLifetime > 0 && c.MaxConnIdleTime > c.MaxConnLifetime:
		return configError("MaxConnIdleTime", c.MaxConnIdleTime, "above MaxConnLifetime, "+c.MaxConnLifetime.String())
	case c.ResolveEvery > 0 && c.Resolve == nil:
		return configError("ResolveEvery", c.ResolveEvery, "set, but Resolve is nil")
	case c.Heartbeat > 0 && c.Check == nil:
		return configError("Heartbeat", c.Heartbeat, "set, but Check is nil")
	}
	return c.Monitor.validate(c.Check != nil)
}
