package pool

import (
	"net"
	"reflect"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"example.com/hale/health"
)

// A connection of somebody else's may panic in a method that the pool calls, on its
// own goroutine or while it has a place in hand. What is asked once for each
// connection, or goes to the network anyway, is asked by guard; what Acquire asks,
// and maintenance, by what follows. (A method that ends its goroutine, as
// runtime.Goexit does, is not survived there.)

// ours reports whether a value's type is of this module, and so does not panic.
func ours(v any) bool {
	const module = "example.com/hale"
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == module || strings.HasPrefix(t.PkgPath(), module+"/")
}

// guardedVital is dead of its first panic.
type guardedVital struct {
	vital
	panicked atomic.Pointer[PanicError]
}

// vitalOf returns v, or what guards it; v may be nil.
func vitalOf(v vital) vital {
	if v == nil || ours(v) {
		return v
	}
	return &guardedVital{vital: v}
}

func (g *guardedVital) Err() (err error) {
	if p := g.panicked.Load(); p != nil {
		return p
	}
	defer func() {
		if value := recover(); value != nil {
			err = g.failed("Err", value)
		}
	}()
	return g.vital.Err()
}

func (g *guardedVital) State() (state health.State) {
	defer func() {
		if value := recover(); value != nil {
			_ = g.failed("State", value)
			state = health.Dead
		}
	}()
	return g.vital.State()
}

func (g *guardedVital) failed(name string, value any) error {
	g.panicked.CompareAndSwap(nil, &PanicError{Func: name, Value: value, Stack: debug.Stack()})
	return g.panicked.Load()
}

// guardedInfo tells nothing when it panics.
type guardedInfo struct{ informer }

// informerOf returns i, or what guards it; i may be nil.
func informerOf(i informer) informer {
	if i == nil || ours(i) {
		return i
	}
	return guardedInfo{i}
}

func (g guardedInfo) Info() (info health.Info, err error) {
	defer func() {
		if value := recover(); value != nil {
			info, err = health.Info{}, &PanicError{Func: "Info", Value: value, Stack: debug.Stack()}
		}
	}()
	return g.informer.Info()
}

// guardedDeadlines is a connection whose SetDeadline may panic.
type guardedDeadlines struct{ net.Conn }

func (c guardedDeadlines) SetDeadline(t time.Time) error {
	return guard("SetDeadline", func() error { return c.Conn.SetDeadline(t) })
}

// addrOf is where a connection leads, or nil if it does not say.
func addrOf(conn net.Conn) (addr net.Addr) {
	_ = guard("RemoteAddr", func() error { addr = conn.RemoteAddr(); return nil })
	return addr
}

// textOf is an address, which may be nil.
func textOf(addr net.Addr) string {
	if addr == nil {
		return ""
	}
	return addr.String()
}
