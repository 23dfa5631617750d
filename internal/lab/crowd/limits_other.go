//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package crowd

import (
	"errors"
	"math"
	"time"
)

// MaxConns is without a limit: this system does not tell.
func MaxConns() int { return math.MaxInt }

// CPUTime is not told on this system.
func CPUTime() (time.Duration, error) { return 0, errors.ErrUnsupported }
