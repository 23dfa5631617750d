package hookstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Loggable is what every value that a hook is told of must be.
type Loggable interface {
	fmt.Stringer
	slog.LogValuer
}

// length is what every length of time is filled with, and raw how it looks if
// it is printed without a unit.
const (
	length = 1500 * time.Millisecond
	raw    = "1500000000"
)

// Print checks what the hooks of an observer O are told of, empty and filled:
// that it can be printed and logged. Every field of it has to be told, but for
// those that are named untold. known are values that cannot be made by
// reflection, for the types that they have or implement.
func Print[O any](t *testing.T, untold []string, known ...any) {
	t.Helper()
	for info := range Infos[O]() {
		t.Run(info.Name(), func(t *testing.T) {
			if !info.Implements(reflect.TypeFor[Loggable]()) {
				t.Fatal("it has no String and LogValue")
			}
			full := Filled(info, known...)
			PrintOne(t, reflect.Zero(info).Interface().(Loggable))
			PrintOne(t, full.Interface().(Loggable))
			tellsAll(t, full, untold)
		})
	}
}

// PrintOne checks one value.
func PrintOne(t *testing.T, v Loggable) {
	t.Helper()
	printed := []string{v.String(), fmt.Sprint(v), logged(v, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }),
		logged(v, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) })}
	for _, text := range printed {
		for _, bad := range []string{"<nil>", "null", "0x", "PANIC", "panic", "%!", raw} {
			if strings.Contains(text, bad) {
				t.Errorf("%s in %s", bad, text)
			}
		}
	}
	if printed[0] == "" {
		t.Error("it prints as nothing at all")
	}
	t.Log(printed[0])
}

func logged(v slog.LogValuer, handler func(io.Writer) slog.Handler) string {
	var b bytes.Buffer
	slog.New(handler(&b)).Info("event", "info", v)
	return b.String()
}

// tellsAll takes the fields out of full, one by one: each must be missed.
func tellsAll(t *testing.T, full reflect.Value, untold []string) {
	t.Helper()
	for field := range slices.Values(reflect.VisibleFields(full.Type())) {
		less := reflect.New(full.Type()).Elem()
		less.Set(full)
		less.FieldByIndex(field.Index).SetZero()
		if !slices.Contains(untold, field.Name) && less.Interface().(Loggable).String() == full.Interface().(Loggable).String() {
			t.Errorf("it does not tell %s", field.Name)
		}
	}
}

// Infos yields the types of what the hooks of an observer O are told of.
func Infos[O any]() iter.Seq[reflect.Type] {
	var all []reflect.Type
	for field := range fields[O]() {
		for in := range field.Type.Ins() {
			if in != reflect.TypeFor[context.Context]() && !slices.Contains(all, in) {
				all = append(all, in)
			}
		}
	}
	return slices.Values(all)
}

// Filled returns a value of a type none of whose exported fields is zero.
func Filled(of reflect.Type, known ...any) reflect.Value {
	v := reflect.New(of).Elem()
	fill(v, append(known, length, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), errors.New("an error"), context.Background()))
	return v
}

func fill(v reflect.Value, known []any) {
	for _, k := range known {
		if reflect.TypeOf(k).AssignableTo(v.Type()) {
			v.Set(reflect.ValueOf(k))
			return
		}
	}
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), known)
			}
		}
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), known)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), known)
	case v.Kind() == reflect.String:
		v.SetString("text")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(7)
	case v.CanUint():
		v.SetUint(7)
	}
}
