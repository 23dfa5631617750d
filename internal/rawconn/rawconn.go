// Package rawconn is the one way to a socket's descriptor in hale.
//
// Every system call on a connection of ours goes through [Control], so that
// the descriptor cannot be closed, and its number reused, in the middle of it.
// (net.Conn's File method would duplicate the descriptor and switch the
// original to blocking mode; nothing here uses it.)
package rawconn

import (
	"errors"
	"sync"
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
	k := calls.Get().(*call)
	k.f = f
	// Two variables: Control returning nil into the variable that f has set
	// would lose f's error.
	err, opErr := c.Control(k.do), k.err
	k.f, k.err = nil, nil
	calls.Put(k)
	if err != nil {
		return err
	}
	return opErr
}

// call is a function under way, in memory that the next can use.
type call struct {
	f   func(fd uintptr) error
	err error
	do  func(fd uintptr)
}

var calls = sync.Pool{New: func() any {
	k := new(call)
	k.do = func(fd uintptr) { k.err = k.f(fd) }
	return k
}}
