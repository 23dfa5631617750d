package netconn

import (
	"net"
	"reflect"
	"slices"
	"sync"
)

// An embedding is where a type has the connection that it embeds.
type embedding struct {
	path      []int
	mayReveal bool // a method that reveals (method) may come from there, or what is there may have one
}

// of returns the connection, or nil.
func (e *embedding) of(c net.Conn) net.Conn {
	if e == nil {
		return nil
	}
	field, err := reflect.Indirect(reflect.ValueOf(c)).FieldByIndexErr(e.path)
	if err != nil {
		return nil // behind a pointer that is nil
	}
	if field.Kind() != reflect.Interface && field.Kind() != reflect.Pointer && field.CanAddr() {
		field = field.Addr() // the connection itself, not a copy
	}
	inner, _ := field.Interface().(net.Conn)
	return inner
}

// embeddings remembers findEmbedding of each type, which takes long: it is looked for
// whenever a pool checks a connection. A type does not change.
var embeddings sync.Map // of reflect.Type to *embedding

func embeddingOf(t reflect.Type) *embedding {
	if e, ok := embeddings.Load(t); ok {
		return e.(*embedding)
	}
	e := findEmbedding(t)
	embeddings.Store(t, e)
	return e
}

// findEmbedding finds the embedded field that t has net.Conn's methods from, but for
// those that it writes itself: of the fields that are a connection the one that lies
// least deep. If two lie equally deep it is neither. A field of a name that is not
// exported cannot be read, but what that embeds in its turn can.
func findEmbedding(t reflect.Type) *embedding {
	e, seen := new(embedding), map[reflect.Type]bool{}
	for level := []place{{of: t}}; len(level) > 0; {
		conns, others := embeddedIn(level, seen)
		switch {
		case len(conns) > 1:
			return nil
		case len(conns) == 0:
			level = others
			continue
		}
		found := conns[0]
		e.mayReveal = e.mayReveal || has[interface{ NetConn() net.Conn }](found.of) || has[interface{ Raw() net.Conn }](found.of)
		if found.exported {
			e.path, e.mayReveal = found.path, e.mayReveal || found.of.Kind() == reflect.Interface
			return e
		}
		level = conns
	}
	return nil
}

// A place is an embedded field.
type place struct {
	of       reflect.Type
	path     []int
	exported bool
}

// embeddedIn are the fields that are embedded a step deeper: those that are
// connections, and those in which there may be one.
func embeddedIn(level []place, seen map[reflect.Type]bool) (conns, others []place) {
	for _, p := range level {
		t := p.of
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			continue
		}
		seen[t] = true
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.Anonymous {
				continue
			}
			next := place{f.Type, append(slices.Clone(p.path), i), f.IsExported()}
			if has[net.Conn](f.Type) {
				conns = append(conns, next)
			} else {
				others = append(others, next)
			}
		}
	}
	return conns, others
}

// has reports whether a t, or a pointer to one, is an I.
func has[I any](t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[I]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[I]())
}
