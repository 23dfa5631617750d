package sockopt

import (
	"strings"
	"syscall"
)

// Control returns a function for the Control field of any [net.Dialer] or
// [net.ListenConfig] that sets k on TCP sockets, and does nothing to others.
//
// Set the KeepAlive field next to it to -1. Package net otherwise overwrites
// idle, interval and count with its own, 15 s, 15 s and 9, once the
// connection stands, and for every accepted one.
//
// The function returns the [*RangeError] of a k that the platform does not
// accept, and the errors of options that the kernel refuses, all of them
// joined, and the dial or listen fails with them. What the platform is known
// not to have is no error. A listener that package net makes an MPTCP one
// refuses TCP_USER_TIMEOUT; package net then runs the function again, on a
// plain TCP listener, which is what one wants here: the connections that it
// accepts inherit the option.
//
// The plan is that of [Platform.PlanUnwatched]: nothing but the kernel stands
// behind it. On Linux that leaves things which a hale.Dialer does better. The
// user timeout is set before the connect and bounds it as well. It ends a live
// peer that reads slowly, or stalls, for that long (a StallTimeout of -1 leaves
// it out, and then the kernel retransmits to a peer that is gone for a quarter of
// an hour). And the first write into a silence starts its clock anew. The pace is
// never set, since it would shorten the connect, too.
//
// Control returns nil where no option can be set through a descriptor (js,
// wasip1, plan9): with a function there, a Dialer could not dial on the first
// two.
func Control(k KeepAlive) func(network, address string, c syscall.RawConn) error {
	return controlOn(current(), k)
}

// controlOn plans once; package net calls the function once for each address,
// and concurrently.
func controlOn(p Platform, k KeepAlive) func(network, address string, c syscall.RawConn) error {
	if p.system().path == pathNone {
		return nil
	}
	plan, err := p.PlanUnwatched(k)
	return func(network, _ string, c syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		if err != nil {
			return err
		}
		report, err := plan.Apply(c)
		if err != nil {
			return err
		}
		return report.refused()
	}
}
