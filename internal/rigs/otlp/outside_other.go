//go:build !unix

package main

import (
	"errors"
	"os"
)

func handOver(any) (fd string, err error) { return "", errCannot }

func inherited(string) (*os.File, error) { return nil, errCannot }

var errCannot = failure{errors.ErrUnsupported, exitCannot}
