//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

// Other systems get no further than to the question whether they can freeze a
// server.

func bound() *syscall.SysProcAttr { return nil }

func (p *process) stop() error { return errors.ErrUnsupported }

func (p *process) cont() error { return errors.ErrUnsupported }

func stopFor(int, time.Duration) error { return errors.ErrUnsupported }

func countFDs() (int, error) { return 0, errors.ErrUnsupported }
