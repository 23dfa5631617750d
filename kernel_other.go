//go:build !linux || hale_sweep

package hale

// kernelNotifies: see the other file of that name.
const kernelNotifies = false
