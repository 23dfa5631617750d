//go:build !linux || hale_sweep

package hale

import (
	"runtime"

	"example.com/hale/sockopt"
)

// kernelNotifies: see the other file of that name.
const kernelNotifies = false

// planFor leaves a promise to the kernel where the watch does not ask: everywhere
// here, but only Linux has another plan for that.
func planFor(k sockopt.KeepAlive) (sockopt.Plan, error) {
	if runtime.GOOS == "linux" {
		return sockopt.Current().PlanUnwatched(k)
	}
	return sockopt.Current().Plan(k)
}
