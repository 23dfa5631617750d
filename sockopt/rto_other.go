//go:build !linux

package sockopt

import "time"

// rto is asked for on Linux alone.
func (descriptor) rto() time.Duration { return 0 }
