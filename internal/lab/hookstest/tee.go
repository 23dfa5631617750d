// Package hookstest tests what an Observer's package does with its hooks, by
// walking the fields: one that is added later is tested, too.
package hookstest

import (
	"context"
	"reflect"
	"slices"
	"testing"
)

// Tee checks that tee joins every hook of an observer O.
func Tee[O any](t *testing.T, tee func(...*O) *O) {
	t.Helper()
	if tee() != nil || tee(nil, nil) != nil {
		t.Error("of nobody it makes somebody")
	}
	for field := range fields[O]() {
		t.Run(field.Name, func(t *testing.T) {
			calls := &calls{}
			first, second := observer[O](field, calls, "first"), observer[O](field, calls, "second")
			calls.check(t, field, tee(nil, first, new(O), second, nil), "first", "second")
			calls.check(t, field, tee(second, first), "second", "first")
			calls.check(t, field, tee(nil, second), "second")
			third := observer[O](field, calls, "nil")
			calls.check(t, field, tee(first, third, second), "first", "nil", "second")
			alone[O](t, field, tee(new(O), first))
			alone[O](t, field, tee(first, second))
		})
	}
}

// fields yields the hooks of an observer.
func fields[O any]() func(yield func(reflect.StructField) bool) {
	return slices.Values(reflect.VisibleFields(reflect.TypeFor[O]()))
}

// seen is the key of a context under which a hook leaves its name.
type seen string

// calls is who was called, in order.
type calls struct{ names []string }

// observer has one hook, which notes its name. It leaves it in the context,
// unless it is called nil: then it returns none.
func observer[O any](field reflect.StructField, calls *calls, name string) *O {
	o := new(O)
	hook := reflect.MakeFunc(field.Type, func(args []reflect.Value) []reflect.Value {
		calls.names = append(calls.names, name)
		if field.Type.NumOut() == 0 {
			return nil
		}
		var out context.Context
		if name != "nil" {
			out = context.WithValue(args[0].Interface().(context.Context), seen(name), len(calls.names))
		}
		return []reflect.Value{reflect.ValueOf(&out).Elem()}
	})
	reflect.ValueOf(o).Elem().FieldByIndex(field.Index).Set(hook)
	return o
}

// check calls the hook of o, and wants those of others called by it.
func (c *calls) check(t *testing.T, field reflect.StructField, o any, want ...string) {
	t.Helper()
	c.names = nil
	hook := reflect.ValueOf(o).Elem().FieldByIndex(field.Index)
	if hook.IsNil() {
		t.Error("it is left out")
		return
	}
	out := hook.Call(arguments(field.Type))
	if !slices.Equal(c.names, want) {
		t.Errorf("called %q, want %q", c.names, want)
	}
	for i, name := range want {
		if len(out) > 0 && name != "nil" && out[0].Interface().(context.Context).Value(seen(name)) != i+1 {
			t.Errorf("the context does not come from %q", name)
		}
	}
}

// arguments are what a hook may be called with.
func arguments(hook reflect.Type) (args []reflect.Value) {
	for in := range hook.Ins() {
		arg := reflect.New(in).Elem()
		if in == reflect.TypeFor[context.Context]() {
			arg.Set(reflect.ValueOf(context.Background()))
		}
		args = append(args, arg)
	}
	return args
}

// alone wants o to have no other hook.
func alone[O any](t *testing.T, field reflect.StructField, o *O) {
	t.Helper()
	for other := range fields[O]() {
		if other.Name != field.Name && !reflect.ValueOf(o).Elem().FieldByIndex(other.Index).IsNil() {
			t.Errorf("it has a hook %s that nobody has", other.Name)
		}
	}
}
