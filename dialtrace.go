package hale

import (
	"context"
	"reflect"
)

// A lookUp is the context under which a name is looked up for a dial. Who traces the
// dial, by package net/http/httptrace, is told of the look-up and of connects to the
// addresses, and not of those to name servers, as with package net.
type lookUp struct{ context.Context }

// Value hides the hooks for connects. Package net has them in a type of its own, which
// nobody else can name.
func (c lookUp) Value(key any) any {
	value := c.Context.Value(key)
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem().PkgPath() != "internal/nettrace" {
		return value
	}
	quiet := reflect.New(v.Type().Elem())
	quiet.Elem().Set(v.Elem())
	for _, name := range []string{"ConnectStart", "ConnectDone"} {
		if hook := quiet.Elem().FieldByName(name); hook.IsValid() {
			hook.SetZero()
		}
	}
	return quiet.Interface()
}
