//go:build !linux || hale_sweep

package hale

import "runtime"

// kernelNotifies: see the other file of that name.
const kernelNotifies = false

// watchAsks: a promise is left to the kernel where the watch does not ask: everywhere
// here, but only Linux has another plan for that.
const watchAsks = runtime.GOOS != "linux"
