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
	e, ask := embeddingOf(reflect.TypeOf(c)), method(c)
	switch {
	case ask == nil:
		return e.of(c)
	case e == nil || !e.mayReveal:
		return ask()
	}
	// c may have its method from what it embeds. Then that lies between the two;
	// and if it is nil, the method would panic.
	inner := e.of(c)
	deeper := method(inner)
	switch {
	case isNil(inner) && e.promotes:
		return nil
	case isNil(inner) || deeper == nil:
		return ask()
	}
	revealed := ask()
	if same(deeper(), revealed) {
		return inner
	}
	return revealed
}

// method returns the method of c that reveals what lies under it, or nil.
// NetConn is that of crypto/tls, Raw of go-proxyproto.
func method(c net.Conn) func() net.Conn {
	switch c := c.(type) {
	case interface{ NetConn() net.Conn }:
		return c.NetConn
	case interface{ Raw() net.Conn }:
		return c.Raw
	}
	return nil
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
	return a == nil && b == nil || a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
