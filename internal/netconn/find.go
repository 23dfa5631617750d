// Package netconn is what hale's packages have in common about a [net.Conn]:
// what lies under its wrappers, calls on it that must end, what was dialled
// under a context, and the account of its use.
package netconn

import (
	"errors"
	"fmt"
	"iter"
	"net"
)

// layersMost ends a walk through wrappers that lead in a circle.
const layersMost = 32

// Layers yields c and then, one after another, what its wrappers reveal: by a
// NetConn method, as [crypto/tls.Conn] has one, by a Raw method, or by the one
// connection that they embed, if reflection can read it; by this too where the method
// names the wrapper itself, or panics. No other method is called, for it may read. The
// walk ends at a nil, and after 32 steps where it leads in a circle.
func Layers(c net.Conn) iter.Seq[net.Conn] {
	return func(yield func(net.Conn) bool) {
		for range layersMost {
			if isNil(c) || !yield(c) {
				return
			}
			c = under(c)
		}
	}
}

// Find returns the outermost of c's layers that is an I.
func Find[I any](c net.Conn) (found I, ok bool) {
	for c := range Layers(c) {
		if found, ok = c.(I); ok {
			return found, true
		}
	}
	return found, false
}

// Innermost returns the last of c's layers.
func Innermost(c net.Conn) net.Conn {
	for under := range Layers(c) {
		c = under
	}
	return c
}

// NoSocket is the error for a connection none of whose layers has a socket. It
// matches [errors.ErrUnsupported] and says what to do.
func NoSocket(c net.Conn) error {
	return fmt.Errorf("no socket is found under %T: give it a method NetConn() net.Conn, or hand over the connection that it wraps: %w",
		Innermost(c), errors.ErrUnsupported)
}
