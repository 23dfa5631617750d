//go:build !(aix || darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows)

package sockopt

import "errors"

// descriptor answers nothing: these systems have no socket options. No plan
// for them has an operation, so this is never asked.
type descriptor uintptr

var _ socket = descriptor(0)

func (descriptor) set(Op) error        { return errors.ErrUnsupported }
func (descriptor) get(Op) (int, error) { return 0, errors.ErrUnsupported }
func (descriptor) lacks(error) bool    { return false }
