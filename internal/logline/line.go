// Package logline puts what hale's packages tell on one line: for a log, under
// the names and in the units (seconds) of package otel's attributes, and for a
// person.
package logline

import (
	"log/slog"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Line is what is known of an event, in order. What is not known is not in
// it. Lengths of time are seconds, and nothing else is a float. The zero value
// is an empty line.
type Line []slog.Attr

// Text adds a text, unless it is empty.
func (l Line) Text(key, value string) Line {
	if value == "" {
		return l
	}
	return append(l, slog.String(key, value))
}

// Int adds a number.
func (l Line) Int(key string, n int) Line { return append(l, slog.Int(key, n)) }

// ID adds a number that counts from 1.
func (l Line) ID(key string, n uint64) Line {
	if n == 0 {
		return l
	}
	return append(l, slog.Uint64(key, n))
}

// Flag adds a yes or no.
func (l Line) Flag(key string, yes bool) Line { return append(l, slog.Bool(key, yes)) }

// Time adds a time, unless it is zero.
func (l Line) Time(key string, t time.Time) Line {
	if t.IsZero() {
		return l
	}
	return append(l, slog.Time(key, t))
}

// Duration adds a length of time.
func (l Line) Duration(key string, d time.Duration) Line {
	return append(l, slog.Float64(key, d.Seconds()))
}

// Known adds a length of time that is 0 or negative where it is not known, and
// the longest where there is none.
func (l Line) Known(key string, d time.Duration) Line {
	if d <= 0 || d == math.MaxInt64 {
		return l
	}
	return l.Duration(key, d)
}

// Between adds the time from one moment to another, if both are known.
func (l Line) Between(key string, from, to time.Time) Line {
	if from.IsZero() || to.IsZero() {
		return l
	}
	return l.Duration(key, to.Sub(from))
}

// Error adds the text of an error, unless it is nil.
func (l Line) Error(key string, err error) Line {
	if err == nil {
		return l
	}
	return l.Text(key, err.Error())
}

const peer = "network.peer." // what begins the names of a peer's address

// Peer adds who is at the other end, unless that is nil or has been added.
func (l Line) Peer(addr net.Addr) Line {
	if addr == nil || l.Has(peer+"address") {
		return l
	}
	return l.address(peer, addr.String())
}

// Server adds where a dial goes to, unless that is empty.
func (l Line) Server(address string) Line {
	if address == "" {
		return l
	}
	return l.address("server.", address)
}

// address adds a host and a port, if the port is a number; a socket's path is a
// host.
func (l Line) address(prefix, address string) Line {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return l.Text(prefix+"address", address)
	}
	l = l.Text(prefix+"address", host)
	if n, err := strconv.Atoi(port); err == nil {
		return l.Int(prefix+"port", n)
	}
	return l
}

// Group adds what is in v, if it is the value of a line.
func (l Line) Group(v slog.Value) Line {
	if v.Kind() != slog.KindGroup {
		return l
	}
	return append(l, v.Group()...)
}

// Has reports whether there is something under a key.
func (l Line) Has(key string) bool {
	return slices.ContainsFunc(l, func(a slog.Attr) bool { return a.Key == key })
}

// Value is l as the value of one attribute.
func (l Line) Value() slog.Value { return slog.GroupValue(l...) }

// String is l for a person: "close.reason=dead cause=reset ...".
func (l Line) String() string {
	if len(l) == 0 {
		return "nothing"
	}
	words := make([]string, len(l))
	for i, a := range l {
		words[i] = strings.TrimPrefix(a.Key, "hale.") + "=" + quoted(a.Value)
	}
	return strings.Join(words, " ")
}

// quoted is v in quotes if it is not one word.
func quoted(v slog.Value) string {
	text := v.String()
	switch v.Kind() {
	case slog.KindTime:
		text = v.Time().Format(time.RFC3339Nano)
	case slog.KindFloat64:
		text = time.Duration(math.Round(v.Float64() * float64(time.Second))).String()
	}
	if strings.ContainsAny(text, " =\"\t\r\n") {
		return strconv.Quote(text)
	}
	return text
}
