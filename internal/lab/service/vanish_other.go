//go:build !linux

package service

// Vanish needs Linux.
func (s *Server) Vanish() error { return s.unsupported() }

// Replace needs Linux.
func (s *Server) Replace() error { return s.unsupported() }

// Return needs Linux.
func (s *Server) Return() error { return s.unsupported() }

// Halt needs Linux.
func (s *Server) Halt() error { return s.unsupported() }

// Resume needs Linux.
func (s *Server) Resume() error { return s.unsupported() }

// Kill needs Linux.
func (s *Server) Kill() error { return s.unsupported() }
