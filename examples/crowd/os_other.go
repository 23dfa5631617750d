//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package main

import (
	"errors"
	"math"
	"time"
)

func maxConns() int { return math.MaxInt }

func cpuTime() (time.Duration, error) { return 0, errors.ErrUnsupported }
