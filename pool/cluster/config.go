package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"example.com/hale/pool"
)

// The defaults of a [Config], whose comments have their values.
const (
	defaultResolveEvery = 30 * time.Second
	defaultRoleMaxAge   = 5 * time.Second
	defaultRoleEvery    = 500 * time.Millisecond
	defaultRoleTimeout  = time.Second
	defaultFailures     = 5
	defaultEjectFor     = 30 * time.Second
	defaultEjectMost    = 5 * time.Minute
	defaultEjectPart    = 0.5
	defaultRetryRatio   = 0.2
	defaultRetryFloor   = 10
)

// Config says what the service is and how its connections are used. Dial, MaxConns,
// and one of Resolve and Watch are required; elsewhere zero is the documented
// default, and a negative number is an error unless it says otherwise.
//
// The functions of the Config are called by several goroutines at a time, unless they
// say otherwise. A panic in one is an error of that call, a
// [pool.PanicError], and so is one in RoleOf; in Demoted and Ejection.Failed it is a
// no. Those of Pool are as there.
type Config[T any] struct {
	// Name tells clusters apart in errors, traces and metrics; the pools have it as
	// well. It may be empty.
	Name string

	// Resolve returns the endpoints that there are now: [Static], [DNS], [SRV], or
	// the program's own. It is called in the background: at the beginning, every
	// ResolveEvery, and after the loss of a connection or of an endpoint; one call
	// at a time, and none within a second of the last. ctx ends after 10 s, and
	// when the cluster is closed; a call that ignores that has failed a second later.
	// An error, no endpoints, or one that is wrong, changes nothing, is told to the
	// Observer, and is asked again after pauses that grow from a second to half a
	// minute. Of those with one Address and ID the first counts. The result is not
	// kept.
	Resolve func(ctx context.Context) ([]Endpoint, error)
	// ResolveEvery is how often Resolve is called if nothing happens, give or take a
	// fifth, and no more than once a second; 0 is 30 s, negative is never. With Watch a
	// positive one is an error.
	ResolveEvery time.Duration

	// Watch is for who is told of endpoints, as by Kubernetes, Consul or etcd: it calls
	// update with all that there are, at first and after each change, and returns
	// when ctx ends. It may do so from any goroutine. An update that is empty or wrong
	// changes nothing, is told to the Observer, and update returns its error; after the
	// end of the cluster that is [pool.ErrClosed]. If Watch returns before, it is called
	// again, after pauses as those of Resolve, which is told to the Observer.
	Watch func(ctx context.Context, update func([]Endpoint) error) error

	// Hold is for how long an endpoint stays that is missing from the answers, counted
	// from the first without it: for name servers that answer with some of the
	// addresses, others each time, as many do where there are more than about eight. It
	// should be many times ResolveEvery. An outage of the endpoint, the death of a
	// connection to it since, or another ID at its Address ends that at once. 0 is not at all, as for pods, which
	// are to drain when their name has them no longer (HAProxy's hold obsolete has the
	// same default); negative is until it is lost.
	Hold time.Duration

	// Dial connects to an endpoint; for the rest it is as [pool.Config].Dial. An
	// Address that is a name is resolved anew for each dial.
	Dial func(ctx context.Context, endpoint Endpoint) (net.Conn, error)

	// Pool is what the pools have in common. Its MaxConns is the most connections at
	// one endpoint; 0 is MaxConns below. MinConns and MinIdleConns hold for each
	// endpoint, unused ones and those of a higher Priority included. Its Name, Dial,
	// FailFast, MaxWaiters, Resolve and ResolveEvery must not be set: they are the
	// cluster's affair. Its Observer is told of all pools, as one.
	Pool pool.Config[T]
	// PoolObserver returns what is told of one endpoint's pool besides Pool.Observer.
	// It is called once for each, one after the other, and must be quick. It may return
	// nil, and may be nil. One that panics is told to the Observer, and returns none.
	PoolObserver func(endpoint Endpoint) *pool.Observer

	// MaxConns is the most connections in use at a time, at all endpoints, and the
	// most that are open: an idle one of the endpoint with most of them is closed
	// when another is dialled. MinConns and MinIdleConns of the pools come first, and
	// what asks for roles comes on top for as long as that takes.
	// It is required, and at most 2^31-1. Those that are being closed do not count.
	MaxConns int
	// MaxWaiters is how many callers may wait for a place; 0 is no limit.
	MaxWaiters int
	// FailFast makes Acquire return an error that matches [pool.ErrUnavailable] at
	// once if every endpoint that fits the wish is known to be unreachable, or none
	// fits it, instead of waiting for its ctx. It waits until endpoints and roles were
	// asked for.
	FailFast bool

	// Zone is where this program is. Endpoints of the same Zone are used alone as
	// long as they carry 70 % of what they would if all were well (of those that fit
	// the wish, by their weights); callers go to the others as well if not, and whenever
	// those of the zone have no place, or were tried in vain. Empty is no zone.
	Zone string

	// ByLatency chooses by the round-trip time as well: an endpoint twice as far
	// gets half as many. The time is the kernel's (TCP_INFO, on Linux) of the
	// connection that was dialled last, or else what its dial took.
	ByLatency bool

	// SlowStart is how long the share of an endpoint that is new, or was down, grows
	// from a tenth to the whole. If all are new, only how they compare counts. 0 is at
	// once.
	SlowStart time.Duration

	// Subset has the cluster use that many endpoints only, of all that there are:
	// the same ones for the same ClientID, and different ones for others, so that the
	// clients spread over the endpoints (the k smallest of a hash of both, as gRFC
	// A68 has it). One that comes or goes changes at most one of them. Those that the
	// resolver says are a primary are used besides. 0 is all. It is an error with Role,
	// as there may be no primary among them.
	Subset int
	// ClientID tells this client from others; empty is one at random.
	ClientID string

	// DrainTimeout is how long connections to an endpoint that is gone may stay in
	// use; what is left is aborted then. 0 is no limit. Pool.Monitor does not look at
	// them: what hangs ends by this, or by the caller's own time.
	DrainTimeout time.Duration

	// Role asks a connection what its endpoint is: Primary, Replica, or Any if it is
	// neither. It is called of each endpoint that is new; after each Open, which fails
	// if it does; for a caller who wishes the primary, if the last answer was asked for
	// longer than RoleMaxAge ago, in which the machine may have been suspended; of one
	// that says that it is the primary and was replaced, every RoleMaxAge (or RoleEvery,
	// if that is more; 5 s if RoleMaxAge is negative); and, while no primary is known that
	// can be reached, of every endpoint each RoleEvery, on connections beside those of the
	// callers, but of the same pool: at an endpoint with all Pool.MaxConns in use it is
	// called when one comes free. It is called once at a time for an endpoint, but for
	// what is opened. ctx ends after RoleTimeout, or with the cluster; one that ignores
	// that has failed a second later. A connection on which it fails is closed. Nil asks
	// nothing: then Endpoint.Role counts. That every endpoint is asked means a connection to
	// each, and while there is no primary to all of them at the same time.
	Role func(ctx context.Context, value T) (Role, error)
	// RoleOf returns what a connection has heard of its endpoint's role without asking,
	// such as in_hot_standby of a PostgreSQL session, or Any if it has not. It is
	// called when a connection is handed out and after its use, and must be quick. What
	// it has heard during a use is believed, and that it is the primary needs not be
	// asked for. What an idle one says may be of before a failover: if it is not what
	// was learned of its endpoint, that is asked. It may be nil.
	RoleOf func(value T) Role
	// Demoted reports whether an error of Do, which may be wrapped, says that the
	// endpoint is not the primary (any more), such as 25006 of PostgreSQL or READONLY of
	// Redis. That ends what was known of its role, if it was taken for the primary; the
	// connection is kept, for reads. Where Role is nil, the resolver counts again with its
	// next answer, or after RoleMaxAge (or RoleEvery, if that is more; 5 s if RoleMaxAge is
	// negative). One that panics has said no. It may be nil.
	Demoted func(err error) bool
	// ManyPrimaries has every endpoint that says so be a primary. Otherwise it is
	// the one that has become it last, as far as was seen, of those that can be
	// reached: one that was cut off and comes back may not know yet that it was
	// replaced.
	ManyPrimaries bool
	RoleMaxAge    time.Duration // how long an answer of Role holds for who wishes the primary; 0 is 5 s, negative is until the next outage or failover
	RoleEvery     time.Duration // how often to ask for a primary while there is none; 0 is 500 ms
	RoleTimeout   time.Duration // for one call of Role; 0 is 1 s

	Ejection Ejection
	Retry    Budget

	// Observer is told what happens; it may be nil.
	Observer *Observer
}

// Ejection has endpoints left alone that answer, but badly, for a time that grows.
// It is for errors that are no outage: those begin and end by themselves. A negative
// number is an error, but for Failures.
type Ejection struct {
	// Failures is after how many failures in a row, of Do and by [Conn.Report], an
	// endpoint is ejected; 0 is 5, negative is never.
	Failures int
	// Failed reports whether an error of Do or Conn.Report, which may be wrapped, is
	// the endpoint's fault; one that panics has said no. Nil counts connections that
	// died under a request of Do, and every error of Conn.Report. What Demoted says yes
	// to never counts, nor does what comes after the caller has cancelled its ctx.
	Failed func(err error) bool
	// Slow is how many times as long as at the median of the endpoints Do takes on
	// average, over ten seconds and twenty calls at least, before an endpoint is
	// ejected; there have to be three that were called as often. A call in which this
	// process stood still does not count. 0 is never; 1 or less is an error.
	Slow float64
	// For is how long the first ejection lasts, and each one after it longer by as
	// much, up to Most; each time it is well for as long as For makes it one less.
	For  time.Duration // 0 is 30 s
	Most time.Duration // 0 is 5 min, or For if that is more; less than For is an error
	// Part is the most that are ejected at a time, of all endpoints: 0 is 0.5, more
	// than 1 is an error. If less than half of them can be used, because others
	// are down, the ejected ones are used again (panic mode), until there are more.
	Part float64
}

// Budget bounds what Do sends again, so that a failure of all is not multiplied.
type Budget struct {
	// Ratio is how many may be sent again of the calls of the last ten seconds; 0 is
	// 0.2, negative is none but PerSecond, and more than 1 is an error.
	Ratio float64
	// PerSecond is how many more may, on average over ten seconds, also at the
	// beginning; 0 is 10, negative is none.
	PerSecond int
}

// withDefaults returns c with its zero fields filled in, or what is wrong.
func (c Config[T]) withDefaults() (Config[T], error) {
	if err := c.validate(); err != nil {
		return c, err
	}
	c.ResolveEvery = cmp.Or(c.ResolveEvery, defaultResolveEvery)
	c.RoleMaxAge = cmp.Or(c.RoleMaxAge, defaultRoleMaxAge)
	c.RoleEvery = cmp.Or(c.RoleEvery, defaultRoleEvery)
	c.RoleTimeout = cmp.Or(c.RoleTimeout, defaultRoleTimeout)
	c.ClientID = cmp.Or(c.ClientID, rand.Text())
	c.Pool.MaxConns = cmp.Or(c.Pool.MaxConns, c.MaxConns)
	c.Pool.Name, c.Pool.FailFast = c.Name, true
	e := &c.Ejection
	e.Failures = cmp.Or(e.Failures, defaultFailures)
	e.For = cmp.Or(e.For, defaultEjectFor)
	e.Most = cmp.Or(e.Most, max(e.For, defaultEjectMost))
	e.Part = cmp.Or(e.Part, defaultEjectPart)
	c.Retry.Ratio = max(0, cmp.Or(c.Retry.Ratio, defaultRetryRatio))
	c.Retry.PerSecond = max(0, cmp.Or(c.Retry.PerSecond, defaultRetryFloor))
	return c, nil
}

func (c *Config[T]) validate() error {
	for _, n := range []struct {
		field string
		value int
	}{{"MaxWaiters", c.MaxWaiters}, {"Subset", c.Subset}, {"Pool.MaxConns", c.Pool.MaxConns}} {
		if n.value < 0 {
			return configError(n.field, n.value, "must not be negative")
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"SlowStart", c.SlowStart}, {"DrainTimeout", c.DrainTimeout}, {"RoleEvery", c.RoleEvery},
		{"RoleTimeout", c.RoleTimeout}, {"Ejection.For", c.Ejection.For}, {"Ejection.Most", c.Ejection.Most},
	} {
		if d.value < 0 {
			return configError(d.field, d.value, "must not be negative")
		}
	}
	if err := c.contradiction(); err != nil {
		return err
	}
	p := c.poolConfig()
	p.Dial = func(context.Context) (net.Conn, error) { return nil, nil }
	if err := p.Validate(); err != nil {
		return fmt.Errorf("cluster: Config.Pool: %w", err)
	}
	return nil
}

func (c *Config[T]) contradiction() error {
	e := c.Ejection
	switch {
	case c.Dial == nil:
		return configError("Dial", "nil", "a cluster needs a way to connect")
	case c.Resolve == nil && c.Watch == nil:
		return configError("Resolve", "nil", "it or Watch has to say which endpoints there are")
	case c.Resolve != nil && c.Watch != nil:
		return configError("Watch", "set", "only one of Resolve and Watch can say which endpoints there are")
	case c.Watch != nil && c.ResolveEvery > 0:
		return configError("ResolveEvery", c.ResolveEvery, "set, but Resolve is nil")
	case c.MaxConns < 1:
		return configError("MaxConns", c.MaxConns, "must be at least 1")
	case c.MaxConns > math.MaxInt32:
		return configError("MaxConns", c.MaxConns, fmt.Sprintf("above %d", math.MaxInt32))
	case c.Pool.MaxConns > c.MaxConns:
		return configError("Pool.MaxConns", c.Pool.MaxConns, fmt.Sprintf("above MaxConns, %d", c.MaxConns))
	case c.Subset > 0 && c.Role != nil:
		return configError("Subset", c.Subset, "set, and so is Role: the primary may not be in it")
	case !(e.Slow == 0 || e.Slow > 1):
		return configError("Ejection.Slow", e.Slow, "must be above 1, or 0 for never")
	case e.Most > 0 && e.Most < cmp.Or(e.For, defaultEjectFor):
		return configError("Ejection.Most", e.Most, fmt.Sprintf("below Ejection.For, %v", cmp.Or(e.For, defaultEjectFor)))
	case !(e.Part >= 0 && e.Part <= 1):
		return configError("Ejection.Part", e.Part, "must be from 0 to 1")
	case !(c.Retry.Ratio <= 1):
		return configError("Retry.Ratio", c.Retry.Ratio, "must be at most 1")
	}
	return c.forbidden()
}

// forbidden finds what the template of the pools must not have.
func (c *Config[T]) forbidden() error {
	p := &c.Pool
	for _, f := range []struct {
		field string
		set   bool
	}{
		{"Name", p.Name != ""}, {"Dial", p.Dial != nil}, {"FailFast", p.FailFast},
		{"MaxWaiters", p.MaxWaiters != 0}, {"Resolve", p.Resolve != nil}, {"ResolveEvery", p.ResolveEvery != 0},
	} {
		if f.set {
			return configError("Pool."+f.field, "set", "it is the cluster's affair")
		}
	}
	return nil
}

// poolConfig is Pool with MaxConns filled in.
func (c *Config[T]) poolConfig() pool.Config[T] {
	p := c.Pool
	p.MaxConns = cmp.Or(p.MaxConns, c.MaxConns)
	return p
}

// configError names the field of a Config that is wrong.
func configError(field string, value any, why string) error {
	return fmt.Errorf("cluster: %s %v: %s", field, value, why)
}

var errNoConn = errors.New("cluster: Dial returned no connection and no error")
