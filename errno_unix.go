//go:build unix

package hale

import "syscall"

// errBroken is what a Write gives after a death that was reported before, and
// after our own CloseWrite.
const errBroken = syscall.EPIPE
