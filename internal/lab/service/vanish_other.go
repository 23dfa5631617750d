//go:build !linux

package service

import (
	"errors"
	"fmt"
)

// Vanish needs Linux.
func (s *Server) Vanish() error { return s.unsupported() }

// Replace needs Linux.
func (s *Server) Replace() error { return s.unsupported() }

// Return needs Linux.
func (s *Server) Return() error { return s.unsupported() }

func (s *Server) unsupported() error {
	return fmt.Errorf("service: %s cannot vanish: %w", s.Name, errors.ErrUnsupported)
}
