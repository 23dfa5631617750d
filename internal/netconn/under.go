package netconn

import (
	"net"
	"reflect"
	"sync"
)

// under returns what lies directly under c, or nil.
func under(c net.Conn) net.Conn {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn, *net.UDPConn, *net.IPConn:
		return nil // spares those who look for what is not there the rest
	}
	inner, ask := embedded(c), method(c)
	if ask == nil {
		return inner
	}
	// c may have its method from what it embeds. Then that lies between the two;
	// and if it is nil, the method would panic.
	deeper := method(inner)
	switch {
	case deeper == nil:
		return ask()
	case isNil(inner):
		return nil
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

// embedded returns c.Conn, if c is a struct that embeds a connection by that
// name, as those of golang.org/x/net/proxy and cmux do; else nil.
func embedded(c net.Conn) net.Conn {
	v := reflect.ValueOf(c)
	path := pathToConn(v.Type())
	if path == nil {
		return nil
	}
	field, err := reflect.Indirect(v).FieldByIndexErr(path)
	if err != nil {
		return nil // behind a pointer that is nil
	}
	if field.Kind() != reflect.Interface && field.Kind() != reflect.Pointer && field.CanAddr() {
		field = field.Addr() // the connection itself, not a copy
	}
	inner, _ := field.Interface().(net.Conn)
	return inner
}

// pathsToConn remembers pathToConn of each type, which takes long to find: it is
// looked for whenever a pool checks a connection. A type does not change.
var pathsToConn sync.Map // of reflect.Type to []int

// pathToConn is where a type has the embedded field Conn; nil if it has none.
func pathToConn(t reflect.Type) []int {
	if path, ok := pathsToConn.Load(t); ok {
		return path.([]int)
	}
	path := findConn(t)
	pathsToConn.Store(t, path)
	return path
}

func findConn(t reflect.Type) []int {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	field, ok := t.FieldByName("Conn")
	if !ok || !field.Anonymous || !reflect.PointerTo(field.Type).Implements(reflect.TypeFor[net.Conn]()) && !field.Type.Implements(reflect.TypeFor[net.Conn]()) {
		return nil
	}
	return field.Index
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
