//go:build linux && !hale_sweep

package hale

import "example.com/hale/sockopt"

// kernelNotifies: the watch is told of a death by the kernel, at once, so that
// what it knows is what there is to know. Elsewhere it looks from time to time.
const kernelNotifies = true

// planFor is for a connection that the watch holds to its promise.
func planFor(k sockopt.KeepAlive) (sockopt.Plan, error) { return sockopt.Current().Plan(k) }
