//go:build !unix

package main

import (
	"errors"
	"os"

	"example.com/hale/internal/lab/program"
)

func handOver(any) (fd string, err error) { return "", errCannot }

func inherited(string) (*os.File, error) { return nil, errCannot }

var errCannot = program.Failure{Err: errors.ErrUnsupported, Status: program.Cannot}
