package sockopt

import (
	"syscall"
	"time"

	"example.com/hale/internal/rawconn"
)

// SetRaw makes one call without a plan, so that a test can ask the kernel for
// what Plan would refuse.
func SetRaw(c syscall.RawConn, o Op, value int) error {
	return rawconn.Control(c, func(fd uintptr) error {
		o.Value = value
		return descriptor(fd).set(o)
	})
}

// ControlOn is Control as on another platform.
var ControlOn = controlOn

// ParseVersion is what Current makes of uname.
func ParseVersion(s string) [3]uint32 { return parseVersion(s) }

// Limits returns the smallest and the largest value of f that p accepts.
func Limits(p Platform, f Field) (min, max int64, ok bool) {
	for _, r := range p.system().rows {
		if r.field == f {
			return r.nominal(r.min), r.nominal(r.max), true
		}
	}
	return 0, 0, false
}

// FixedCount returns the number of probes of a platform that takes no other.
func FixedCount(p Platform) int { return p.system().fixedCount }

// Value returns one field of k as nanoseconds or as a plain number.
func Value(k KeepAlive, f Field) int64 { return k.value(f) }

// Names lists every GOOS that there is a plan for.
func Names() (names []string) {
	for _, s := range systems {
		names = append(names, s.goos)
	}
	for name := range kin {
		names = append(names, name)
	}
	return names
}

// LastAsking is when p's kernel retransmits for the last time with a pace.
func LastAsking(pace time.Duration, p Platform) time.Duration { return lastAsking(pace, p.retries2()) }

// PaceFor is the derived pace.
func PaceFor(promise time.Duration, retries2 int) time.Duration { return paceFor(promise, retries2) }
