//go:build linux && !hale_sweep

package hale

// kernelNotifies: the watch is told of a death by the kernel, at once, so that
// what it knows is what there is to know. Elsewhere it looks from time to time.
const kernelNotifies = true

// watchAsks: the watch keeps the promise, and the kernel stands behind it.
const watchAsks = true
