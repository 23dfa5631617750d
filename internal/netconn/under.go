package netconn

import (
	"net"
	"reflect"
)

// under returns what lies directly under c, or nil.
//
// That LocalAddr of a wrapper returns the very pointer that a socket's does is not
// taken for a proof: a LocalAddr that is certain not to read is one that comes from
// what is embedded, which is walked here without a call; one that a wrapper has written
// itself may wait for the peer (go-proxyproto's does). What is embedded under a name
// that is not exported was hidden by its author, and stays so.
func under(c net.Conn) net.Conn {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn, *net.UDPConn, *net.IPConn:
		return nil // spares those who look for what is not there the rest
	}
	e := embeddingOf(reflect.TypeOf(c))
	revealed, ok := reveal(c)
	switch {
	case !ok:
		return e.of(c)
	case e == nil || !e.mayReveal:
		return revealed
	}
	// c may have its method from what it embeds. Then that lies between the two.
	inner := e.of(c)
	if isNil(inner) {
		return revealed
	}
	if deeper, ok := reveal(inner); ok && same(deeper, revealed) {
		return inner
	}
	return revealed
}

// reveal asks c for what lies under it, by the method of crypto/tls or that of
// go-proxyproto. A wrapper that names itself says nothing, and neither does one that
// panics, as a method that comes from an embedded nil does.
func reveal(c net.Conn) (inner net.Conn, ok bool) {
	defer func() {
		if recover() != nil {
			inner, ok = nil, false
		}
	}()
	switch c := c.(type) {
	case interface{ NetConn() net.Conn }:
		inner = c.NetConn()
	case interface{ Raw() net.Conn }:
		inner = c.Raw()
	default:
		return nil, false
	}
	return inner, !same(inner, c)
}

// isNil reports whether there is no connection behind c, whose methods would
// panic.
func isNil(c net.Conn) bool {
	if c == nil {
		return true
	}
	v := reflect.ValueOf(c)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// same reports whether a and b are one connection. What cannot be compared is
// none that anybody shares.
func same(a, b net.Conn) bool {
	return a == nil && b == nil || reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}
