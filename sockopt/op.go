package sockopt

import (
	"fmt"
	"strconv"
	"time"
)

// The values of [Plan.Path].
const (
	pathOptions = "options"
	pathMixed   = "options+ioctl"
	pathIoctl   = "ioctl"
	pathSwitch  = "on/off"
	pathNone    = "none"
)

const (
	callSetsockopt = "setsockopt"
	callIoctl      = "WSAIoctl"
)

// Op is one system call of a plan: pure data, comparable with ==.
type Op struct {
	// Field is what the call sets. The ioctl, which sets the interval as
	// well, is listed under the idle time.
	Field Field

	// Call is "setsockopt" or "WSAIoctl".
	Call string

	// Level and LevelNumber are "SOL_SOCKET" or "IPPROTO_TCP" and its number,
	// empty and zero for the ioctl.
	Level       string
	LevelNumber int

	// Name and Number are the symbol and the number of the option or of the
	// ioctl. For SO_KEEPALIVE on Linux they are those of most architectures;
	// Apply uses the running one's.
	Name   string
	Number uint32

	// Value is what setsockopt passes, an int in Unit.
	Value int

	// Words is what the ioctl passes: on, idle and interval, both in Unit.
	Words [3]uint32

	// Unit is time.Second, time.Millisecond, or zero for a plain number.
	Unit time.Duration

	// Optional: the KeepAlive does not ask for this value, the plan chose it,
	// and a kernel that refuses it does less well but as asked.
	Optional bool
}

// String returns the call, such as
// "setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 4, 13 s)".
func (o Op) String() string {
	if o.Call == callIoctl {
		return fmt.Sprintf("%s(%s %s, {%d, %s, %s})", o.Call, o.Name, number(int64(o.Number)),
			o.Words[0], o.amount(int64(o.Words[1])), o.amount(int64(o.Words[2])))
	}
	return fmt.Sprintf("%s(%s %s, %s %s, %s)", o.Call, o.Level, number(int64(o.LevelNumber)),
		o.Name, number(int64(o.Number)), o.amount(int64(o.Value)))
}

func (o Op) amount(v int64) string { return amount(v, o.Unit) }

// amount formats a value with its unit.
func amount(v int64, unit time.Duration) string {
	switch unit {
	case time.Second:
		return strconv.FormatInt(v, 10) + " s"
	case time.Millisecond:
		return strconv.FormatInt(v, 10) + " ms"
	case time.Nanosecond:
		return time.Duration(v).String()
	}
	return strconv.FormatInt(v, 10)
}

// number formats a symbol's number as headers write it: small ones decimal,
// bit patterns hexadecimal.
func number(n int64) string {
	if n < 0x40 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%#x", n)
}

// serves reports whether the call sets f.
func (o Op) serves(f Field) bool {
	return o.Field == f || o.Call == callIoctl && f == FieldInterval
}

// argument returns what the call passes for f.
func (o Op) argument(f Field) int64 {
	switch {
	case o.Call != callIoctl:
		return int64(o.Value)
	case f == FieldInterval:
		return int64(o.Words[2])
	}
	return int64(o.Words[1])
}
