package pool

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"runtime/debug"
)

// A PanicError is what a dial or a check fails with if Dial, Open, Check or
// Reset of the [Config] panicked, or ended its goroutine. It wraps nothing, not
// even a value that is an error.
type PanicError struct {
	Func  string // of the Config
	Value any    // what recover returned; nil if the goroutine was ended ([runtime.Goexit])
	Stack []byte // of the panic, as by [debug.Stack]
}

func (e *PanicError) Error() string {
	if e.Value == nil {
		return fmt.Sprintf("pool: %s ended its goroutine", e.Func)
	}
	return fmt.Sprintf("pool: %s panicked: %v", e.Func, e.Value)
}

// guard calls f, which is a function of the Config or calls it, and returns a
// [PanicError] if it does not return. f runs on a goroutine of its own: the end
// of one cannot be recovered from.
func guard(name string, f func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		returned := false
		defer func() {
			if value := recover(); !returned {
				err = &PanicError{Func: name, Value: value, Stack: debug.Stack()}
			}
		}()
		err = f()
		returned = true
	}()
	<-done
	return err
}

var errNoConn = errors.New("pool: Dial returned no connection and no error")

// isNil reports whether conn is nil, or a pointer that is.
func isNil(conn net.Conn) bool {
	v := reflect.ValueOf(conn)
	return conn == nil || v.Kind() == reflect.Pointer && v.IsNil()
}
