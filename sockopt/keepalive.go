package sockopt

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Never is the length of a detection window that does not end: keepalive is
// off, or its end lies beyond what a [time.Duration] can hold (292 years).
const Never time.Duration = math.MaxInt64

// leaveAlone is the documented "leave the operating system's value alone".
const leaveAlone = -1

// KeepAlive says how the operating system finds out that a peer is gone.
//
// In every numeric field zero means the default, which is the same field of
// Within([DefaultWithin]), and -1 leaves the operating system's value alone.
// Any other negative number is an error of [Platform.Plan], and so is one
// that the platform does not accept; nothing is clamped. (One exception: a
// default, which nobody asked for, is raised to the platform's smallest
// value, and the Plan says so.) Durations are rounded up to the platform's
// unit, a whole second on most: 1ns becomes 1s.
//
// A KeepAlive is a plain value and comparable with ==.
//
// A KeepAlive that was read from a socket ([Get], [Report.Got]) is an
// observation, not a wish: there -1 means that the value could not be read,
// and a zero UserTimeout means that there is none.
type KeepAlive struct {
	// Disabled switches keepalive off (SO_KEEPALIVE 0). Idle, Interval and
	// Count are then not touched, and must not be above zero. A UserTimeout
	// above zero is still set, a zero one is left alone.
	Disabled bool

	// Idle is the quiet time before the first probe (TCP_KEEPIDLE, on Darwin
	// TCP_KEEPALIVE). Linux accepts 1 s to 32767 s.
	Idle time.Duration

	// Interval is the time between two unanswered probes (TCP_KEEPINTVL).
	// Linux accepts 1 s to 32767 s.
	Interval time.Duration

	// Count is the number of unanswered probes after which the kernel gives
	// the connection up (TCP_KEEPCNT). Linux accepts 1 to 127, Windows 1 to
	// 255; Windows before build 15063 always sends 10.
	Count int

	// UserTimeout is the longest time that sent data may stay unacknowledged,
	// in milliseconds on Linux (TCP_USER_TIMEOUT), in seconds on Darwin,
	// FreeBSD and Windows. Keepalive does not cover that state on Linux: it is
	// silent while data is in flight, and the kernel retransmits for about a
	// quarter of an hour.
	//
	// Zero means Idle+Interval*Count, or -1 if one of the three is -1.
	//
	// On Linux it also replaces Count, whichever is longer: from the second
	// tick on the kernel gives up at the first of the ticks Idle+n*Interval
	// that is not before the user timeout. (A tick comes a little late, so a
	// user timeout that lies above a tick by less than that lateness acts as
	// if it were equal.) And it ends a connection whose peer acknowledges but
	// reads nothing for that long, unless TolerateStall is set.
	UserTimeout time.Duration

	// TolerateStall keeps a connection whose peer is alive but does not read:
	// its kernel answers, with its window shut, for as long as it likes. A
	// message broker that is short of memory is such a peer.
	//
	// The option for UserTimeout is then left alone where it ends such a
	// connection too: on Linux and Android (TCP_USER_TIMEOUT) and FreeBSD
	// (TCP_MAXUNACKTIME). The kernel's own bound for data that nothing
	// acknowledges, a quarter of an hour or so, is all that Linux has left;
	// the watch of a hale.Conn keeps to UserTimeout there, or to the detection
	// window if that is longer. On FreeBSD keepalive itself ends a connection
	// whose peer is silent, with data in flight or without.
	//
	// A peer that vanishes with its window shut is noticed only once the
	// kernel asks it again, and it asks the less often the longer the window
	// has been shut, every two minutes in the end.
	//
	// It is what a zero KeepAlive means to a hale.Dialer and a hale.ListenConfig,
	// but not to [Platform.Plan] and [Control], which no watch stands behind.
	//
	// On the other systems it changes nothing. The options of Darwin, Solaris
	// and illumos do not end such a connection, that of Windows is not
	// documented, and the rest have none. No system holds it: in a KeepAlive
	// read from a socket it is false.
	TolerateStall bool

	// shortBy is how far below MinWithin the d of a refused Within(d) was.
	// Within has no error to return, so that it can be used in a composite
	// literal; whoever plans with its result gets the error.
	shortBy time.Duration
}

// Window returns within what time of the peer's vanishing the kernel gives
// an idle connection up, as the numbers have it: at the earliest after
// Interval*Count (the peer vanished just when the first probe was due), at
// the latest after Idle+Interval*Count (it vanished right after its last
// segment). Zero fields count with their defaults.
//
// It knows no platform and so neither rounds nor heeds UserTimeout;
// [Plan.Window] does both. A kernel's timers add to it: those of Linux are
// never early, and late by up to an eighth of each wait.
//
// With an Interval above Idle, Linux can take Interval-Idle longer: once a probe
// has been answered, it sends the next after the longer of the two.
//
// Both results are [Never] if keepalive is Disabled, and zero if they cannot
// be told, because a field is negative or a [Within] was refused.
func (k KeepAlive) Window() (earliest, latest time.Duration) {
	switch {
	case k.Disabled:
		return Never, Never
	case k.shortBy > 0:
		return 0, 0
	}
	return k.withDefaults().window()
}

// String returns the values on one line; "system" stands for -1.
func (k KeepAlive) String() string {
	if k.shortBy > 0 {
		return fmt.Sprintf("refused Within(%s)", seconds(MinWithin-k.shortBy))
	}
	bound := "user timeout " + FieldUserTimeout.format(int64(k.UserTimeout))
	if k.TolerateStall {
		bound += ", stall tolerated"
	}
	if k.Disabled {
		return "off, " + bound
	}
	return fmt.Sprintf("idle %s, interval %s, count %s, %s", FieldIdle.format(int64(k.Idle)),
		FieldInterval.format(int64(k.Interval)), FieldCount.format(int64(k.Count)), bound)
}

// window is Window without defaults.
func (k KeepAlive) window() (earliest, latest time.Duration) {
	if k.total() < 0 {
		return 0, 0
	}
	return k.probing(), k.total()
}

// probing returns Interval*Count, the time from the first probe to the
// verdict, at most Never, and -1 if it cannot be told.
func (k KeepAlive) probing() time.Duration {
	if k.Interval < 0 || k.Count < 0 {
		return leaveAlone
	}
	hi, lo := bits.Mul64(uint64(k.Interval), uint64(k.Count))
	if hi != 0 || lo > uint64(Never) {
		return Never
	}
	return time.Duration(lo)
}

// total returns Idle+Interval*Count, at most Never, and -1 if it cannot be
// told.
func (k KeepAlive) total() time.Duration {
	probing := k.probing()
	if k.Idle < 0 || probing < 0 {
		return leaveAlone
	}
	return probing + min(k.Idle, Never-probing)
}

// withDefaults fills the zero fields but the user timeout, which depends on
// what becomes of the others.
func (k KeepAlive) withDefaults() KeepAlive {
	if k.Disabled {
		k.Idle, k.Interval, k.Count = leaveAlone, leaveAlone, leaveAlone
	}
	d := Within(DefaultWithin)
	k.Idle = cmp.Or(k.Idle, d.Idle)
	k.Interval = cmp.Or(k.Interval, d.Interval)
	k.Count = cmp.Or(k.Count, d.Count)
	return k
}

// check refuses what no platform can be asked for.
func (k KeepAlive) check() error {
	if k.shortBy > 0 {
		return &RangeError{Field: "Within", Value: seconds(MinWithin - k.shortBy),
			Limit: "below " + seconds(MinWithin) + ", the shortest that whole-second kernel timers can reach"}
	}
	for _, f := range fields {
		if v := k.value(f); v < leaveAlone {
			return &RangeError{Field: f.goName(), Value: f.format(v),
				Limit: "negative, and only -1 may be: it leaves the system's value alone"}
		}
		if v := k.value(f); k.Disabled && f != FieldKeepAlive && f != FieldUserTimeout && v > 0 {
			return &RangeError{Field: f.goName(), Value: f.format(v), Limit: "set, although Disabled is true"}
		}
	}
	return nil
}
