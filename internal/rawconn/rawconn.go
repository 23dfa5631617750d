// Package rawconn is the one way to a socket's descriptor in hale.
//
// Every system call on a connection of ours goes through [Control], so that
// the descriptor cannot be closed, and its number reused, in the middle of it.
// (net.Conn's File method would duplicate the descriptor and switch the
// original to blocking mode; nothing here uses it.)
package rawconn

import (
	"errors"
	"syscall"
)

// ErrNoSocket says that a connection has no descriptor to look at.
var ErrNoSocket = errors.New("connection has no socket")

// Of returns the raw connection behind c, which must be a [syscall.Conn].
func Of(c any) (syscall.RawConn, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, ErrNoSocket
	}
	return sc.SyscallConn()
}

// Control calls f with the descriptor of c while it is certain to be open,
// and returns the error of f, or the reason why f could not be called
// ([net.ErrClosed] after Close).
func Control(c syscall.RawConn, f func(fd uintptr) error) error {
	var opErr error
	// Two variables: Control returning nil into the variable that f has set
	// would lose f's error.
	if err := c.Control(func(fd uintptr) { opErr = f(fd) }); err != nil {
		return err
	}
	return opErr
}
