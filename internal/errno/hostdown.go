//go:build unix || js

package errno

import "syscall"

func init() { kinds[syscall.EHOSTDOWN] = Unreachable } // which wasip1 lacks
