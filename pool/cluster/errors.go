package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.com/hale/pool"
)

// errOtherRole is an endpoint that is not what was wished, when it was asked.
var errOtherRole = errors.New("cluster: not in the role that was wished")

// markedError is an error that does not say itself whether anything was sent.
type markedError struct {
	err  error
	safe bool
}

func (e *markedError) Error() string     { return e.err.Error() }
func (e *markedError) Unwrap() error     { return e.err }
func (e *markedError) SafeToRetry() bool { return e.safe }

// unsent marks an error that came before anything was sent.
func unsent(err error) error { return &markedError{err: err, safe: true} }

// brokenError is a RoleOf that panicked, which another endpoint does not mend.
type brokenError struct{ error }

// A cause is why an endpoint gave nothing.
type cause struct {
	address string
	err     error
}

// causesMost is how many endpoints an error tells of.
const causesMost = 3

// addCause keeps the last cause of each endpoint, of a few.
func addCause(all []cause, address string, err error) []cause {
	for i := range all {
		if all[i].address == address {
			all[i].err = err
			return all
		}
	}
	if len(all) == causesMost {
		return all
	}
	return append(all, cause{address, err})
}

// acquireError is an Acquire that got nothing.
type acquireError struct {
	name        string
	wish        Role
	unavailable bool // nothing that fits the wish could be reached
	known       int  // endpoints
	fit         int  // those that fit the wish, reachable or not
	inUse, most int
	waited      time.Duration
	causes      []cause
	more        int // endpoints that are not told of
	ctx         error
}

func (e *acquireError) Error() string {
	var b strings.Builder
	b.WriteString(e.name + ": ")
	what := "endpoint"
	if e.wish != Any {
		what = e.wish.String()
	}
	switch {
	case e.unavailable && e.known == 0:
		b.WriteString("no endpoint is known")
	case e.unavailable:
		fmt.Fprintf(&b, "no %s available of %d endpoints", what, e.known)
	default:
		fmt.Fprintf(&b, "%d of %d in use, waited %s", e.inUse, e.most, inSeconds(e.waited))
	}
	for _, c := range e.causes {
		b.WriteString("; " + c.address + ": " + c.err.Error())
	}
	if e.more > 0 {
		b.WriteString("; and " + strconv.Itoa(e.more) + " more")
	}
	if e.ctx != nil {
		b.WriteString(": " + e.ctx.Error())
	}
	return b.String()
}

func (e *acquireError) Unwrap() (all []error) {
	if e.unavailable {
		all = append(all, pool.ErrUnavailable)
	}
	if e.ctx != nil {
		all = append(all, e.ctx)
	}
	for _, c := range e.causes {
		if e.unavailable && !endedByContext(c.err) { // a try that was cut short is not the caller's end
			all = append(all, c.err)
		}
	}
	return all
}

// SafeToRetry is true: nothing was sent.
func (e *acquireError) SafeToRetry() bool { return true }

func endedByContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// inSeconds is d as a person wants to read it.
func inSeconds(d time.Duration) string {
	return strconv.FormatFloat(d.Round(10*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
}

// failed is the error of a caller that got nothing; ctx is how its ctx ended, or nil
// if there is nothing to wait for.
func (a *acquisition[T]) failed(ctx error) error {
	c := a.cluster
	e := &acquireError{
		name: c.named(), wish: a.wish.role, ctx: ctx, causes: a.causes,
		inUse: int(c.inUse.Load()), most: c.config.MaxConns, waited: time.Since(a.began),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e.known, e.fit = len(c.members), len(c.snapshot.Load().of(a.wish.role).fit)
	e.unavailable = ctx == nil || e.fit == 0 || a.hops > 0 && c.noneServes(a.wish.role)
	if !e.unavailable {
		return e
	}
	for _, m := range c.members {
		switch {
		case m.down:
			e.causes = addCause(e.causes, m.endpoint().Address, outageError(m.outage))
		case !fits(a.wish.role, m.role):
			e.causes = addCause(e.causes, m.endpoint().Address, roleError(m.role))
		}
	}
	e.more = max(0, e.known-len(e.causes))
	return e
}

// noneServes reports whether nothing that fits a wish is in use or idle. The caller
// holds mu.
func (c *Cluster[T]) noneServes(role Role) bool {
	for _, m := range c.snapshot.Load().of(role).fit {
		if st := m.pool.Stats(); st.InUse+st.Idle > 0 {
			return false
		}
	}
	return true
}

// outageError is an outage that has not ended.
func outageError(o pool.Outage) error {
	switch {
	case o.Dial != nil:
		return o.Dial
	case o.Death != nil:
		return o.Death
	}
	return pool.ErrUnavailable
}

// roleError is an endpoint that does not fit.
func roleError(role Role) error {
	if role == Any {
		return errors.New("its role is not known")
	}
	return errors.New("is a " + role.String())
}
