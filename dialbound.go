package hale

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"example.com/hale/internal/awake"
	"example.com/hale/internal/bubble"
	"example.com/hale/sockopt"
)

// promised is within what time a peer that is gone has to be noticed, much as
// limitsOf has it for connections that stand; zero if nothing was promised.
func promised(plan sockopt.Plan) time.Duration {
	if plan.Asked.Within > 0 {
		return plan.Asked.Within
	}
	k := plan.Asked // its Count has no StallTimeout in it, which is for peers that live
	k.Idle, k.Interval = plan.Effective.Idle, plan.Effective.Interval
	_, latest := k.Window()
	if latest == sockopt.Never {
		latest = 0
	}
	return max(0, plan.Asked.UserTimeout, latest)
}

// boundDial gives nd the time d unless the caller has set one, be it no limit at
// all, and reports whether it has.
func boundDial(ctx context.Context, nd *net.Dialer, d time.Duration) (ours bool) {
	_, limited := ctx.Deadline()
	switch {
	case nd.Timeout < 0:
		nd.Timeout = 0 // package net would be out of time at once
	case nd.Timeout == 0 && nd.Deadline.IsZero() && !limited:
		nd.Timeout = d
		return d > 0
	}
	return false
}

// dialWithin dials within the time d, unless the caller has set one.
func dialWithin(ctx context.Context, nd *net.Dialer, d time.Duration, network, address string) (net.Conn, error) {
	if boundDial(ctx, nd, d) {
		return dialAwake(ctx, nd, network, address)
	}
	return nd.DialContext(ctx, network, address)
}

// dialAwake dials once more if the time was over and this process stood still for
// much of it, which has shown nothing of the peer, for as long as it did: so the
// bound is one of time awake.
func dialAwake(ctx context.Context, nd *net.Dialer, network, address string) (net.Conn, error) {
	limit := nd.Timeout
	conn, missed, err := dialWatched(ctx, nd, network, address)
	if err != nil && timedOut(err) && awake.Much(missed, limit) && ctx.Err() == nil {
		nd.Timeout = min(missed, limit)
		return dialHost(ctx, nd, network, address)
	}
	return conn, err
}

// dialWatched dials and tells how long this process stood still meanwhile. That for one
// address is bounded without a timer of its own.
func dialWatched(ctx context.Context, nd *net.Dialer, network, address string) (conn net.Conn, missed time.Duration, err error) {
	if _, notOne := netip.ParseAddrPort(address); notOne != nil || bubble.Inside() {
		span := awake.Begin(nd.Timeout)
		conn, err = dialHost(ctx, nd, network, address)
		return conn, span.Stop(), err
	}
	bounded := awake.Bound(ctx, nd.Timeout)
	defer bounded.Stop()
	nd.Timeout = 0
	if conn, err = nd.DialContext(bounded, network, address); err != nil {
		missed = bounded.Missed()
	}
	return conn, missed, err
}

// dialHost dials within nd's Timeout. The time for a name that has several addresses is
// divided among them.
func dialHost(ctx context.Context, nd *net.Dialer, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	_, notLiteral := netip.ParseAddr(host)
	if err != nil || host == "" || notLiteral == nil || !dividesNames(nd) {
		return nd.DialContext(ctx, network, address)
	}
	deadline := time.Now().Add(nd.Timeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	one := *nd
	one.Timeout = 0
	return dialName(ctx, &one, network, host, port, deadline)
}

func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
