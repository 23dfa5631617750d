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

// KeepAlive says within what time a peer that is gone must be noticed, and how
// the operating system goes about it. [Within] makes one from that time alone,
// and is what most programs want.
//
// In every numeric field but Within, PathIdleTimeout and TolerateGap zero means the default, and -1 leaves the
// operating system's value alone. Any other negative number is an error of
// [Platform.Plan], and so is one that the platform does not accept; nothing is
// clamped. (One exception: a default, which the KeepAlive does not name, is
// raised to the platform's smallest value, and the Plan says so.) The defaults
// of Idle, Interval and Count are those of Within(Within), and of
// Within([DefaultWithin]) if Within is zero. Durations are rounded up to the
// platform's unit, a whole second on most: 1ns becomes 1s.
//
// A KeepAlive is a plain value and comparable with ==.
//
// A KeepAlive that was read from a socket ([Get], [Report.Got]) is an
// observation, not a wish: there -1 means that the value could not be read,
// a zero UserTimeout or StallTimeout that there is none, and Within,
// PathIdleTimeout and TolerateGap are zero, since no system holds them.
type KeepAlive struct {
	// Within is the promise: a peer that is gone is noticed at most that long
	// after it vanished, in every state of a connection that hale watches. On
	// Linux the watch keeps it, and the kernel's own Count stands behind the
	// watch; on the other systems the numbers below do.
	//
	// Zero means that the numbers below are the promise: the larger of
	// UserTimeout (or Idle+Interval*Count) and the detection window. If they are
	// all zero as well, Within is [DefaultWithin]. Below [MinWithin] and negative
	// it is an error, and so is an Idle that is not below it.
	Within time.Duration

	// Disabled switches keepalive off (SO_KEEPALIVE 0). Idle, Interval and
	// Count are then not touched, and must not be above zero. A UserTimeout
	// above zero still counts, a zero one is left alone.
	Disabled bool

	// Idle is the quiet time before the first probe (TCP_KEEPIDLE, on Darwin
	// TCP_KEEPALIVE). Linux accepts 1 s to 32767 s.
	Idle time.Duration

	// Interval is the time between two unanswered probes (TCP_KEEPINTVL).
	// Linux accepts 1 s to 32767 s.
	Interval time.Duration

	// Count is the number of unanswered probes after which the kernel gives
	// the connection up (TCP_KEEPCNT). Linux accepts 1 to 127, Windows 1 to
	// 255; Windows before build 15063 always sends 10. On Linux at least 8 is set
	// for a watched connection with a Within ([Platform.Plan]).
	Count int

	// UserTimeout is the longest time that sent data may stay unacknowledged.
	// Keepalive does not cover that state on Linux: it is silent while data is
	// in flight, and the kernel retransmits for about a quarter of an hour.
	//
	// Zero means Idle+Interval*Count, or -1 if one of the three is -1.
	//
	// Darwin (TCP_RXT_CONNDROPTIME, in seconds), Windows (TCP_MAXRT, in
	// seconds), Solaris and illumos (TCP_ABORT_THRESHOLD, in milliseconds) have
	// an option for it. Those of Linux and FreeBSD end a live peer that does
	// not read, too, and so are left to StallTimeout: there the Pace and the
	// watch of a hale.Conn keep to UserTimeout (to Within, if that is set), or
	// keepalive itself on FreeBSD. Only [Platform.PlanUnwatched] sets them.
	UserTimeout time.Duration

	// StallTimeout is the longest time that a live peer may leave its window
	// shut, because its program does not read or reads slowly, before the
	// connection is ended (health.PeerStalled). Zero and -1 mean never: a message
	// broker that is short of memory is such a peer, and it recovers.
	//
	// It is TCP_USER_TIMEOUT on Linux and Android, in milliseconds,
	// TCP_MAXUNACKTIME on FreeBSD 14 and PERSIST_TIMEOUT on Darwin, in seconds;
	// the other systems have no such option. On Linux it also replaces Count
	// for an idle connection, which ends at the first probe time at or after
	// StallTimeout, whatever Count says.
	StallTimeout time.Duration

	// Pace is the longest pause between two retransmissions, and between two
	// probes of a shut window (TCP_RTO_MAX_MS, Linux 6.15 and newer): the
	// kernel's own pauses double up to two minutes. With a steady pace the
	// silence of a peer that is gone is told from the slowness of one that is
	// not, and a path that heals is used again at once. Its price is more packets
	// while nothing answers. 1 s to 120 s, rounded up to
	// tenths of a second, whole numbers of any kernel's ticks.
	//
	// Zero means the shortest pace with which the kernel does not give up
	// before the promised time, given [Platform.Retries2]; where there is none,
	// and on systems without the option, the system's pace stays, and a kernel
	// that refuses it (MPTCP) is no failure. The watch of a hale.Conn keeps it
	// at what the path needs, and at less, if need be, while the peer's window is
	// shut; also where Pace is negative, which leaves it alone until then.
	Pace time.Duration

	// PathIdleTimeout says that something on the path (a NAT, a firewall, a load
	// balancer) forgets a flow after so long without a packet: [PathIdleAWS] and
	// others, or any time of 2.25 s or more. The flow stays known to it, even
	// if a probe is lost and the kernel's timers are late:
	//
	//	max(Idle, Interval) + Interval <= PathIdleTimeout * 8/9
	//
	// An Idle and an Interval that are zero, or as [Within] has filled them in, become
	// as short as that takes, and Count as large as Within allows. One that was
	// set by hand and is too long, or -1, is an error, and so is a Pace above half of
	// it. Within is kept as without.
	//
	// Zero is for none; negative is an error. Where a system takes no Idle, or probes
	// a shut window too rarely, the plan says so ([Plan.Unsupported]).
	PathIdleTimeout time.Duration

	// TolerateGap says that nothing may pass for so long, on a mobile or crowded
	// network for instance, and that this is no reason to give the peer up: neither
	// the watch nor the kernel does so before a gap of that length is over and they
	// have asked once more. It may begin when the connection has been idle for
	// Idle; the round trip may then take a quarter of a second.
	//
	// As with PathIdleTimeout, Idle, Interval and Count that are zero, or as Within
	// has filled them in, become what it takes: Idle the shorter, the closer
	// TolerateGap is to Within. One that is too long for Within, or for
	// values that were set by hand, is an error; half of Within fits from 10 s on. A
	// zero Within without numbers becomes two and a half times TolerateGap, if that
	// is longer than [DefaultWithin]. A heartbeat has a time of its own.
	//
	// Zero is for none; negative is an error. What is in flight is sent again at the
	// Pace. Where there is none the kernel may take as long again as the gap; the
	// plan says where that is too long ([Plan.Unsupported]).
	TolerateGap time.Duration
}

// Window returns within what time of the peer's vanishing the kernel gives
// an idle connection up, as the numbers have it: at the earliest after
// Interval*Count (the peer vanished just when the first probe was due), at
// the latest after Idle+Interval*Count (it vanished right after its last
// segment). Zero fields count with their defaults.
//
// It knows no platform, and so neither rounds nor heeds StallTimeout and the
// watch; [Plan.Window] does. A kernel's timers add to it: those of Linux are
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
	case k.refused():
		return 0, 0
	}
	return k.withDefaults().window()
}

// String returns the values on one line; "system" stands for -1. Within,
// StallTimeout, Pace, PathIdleTimeout and TolerateGap are left out if there is none.
func (k KeepAlive) String() string {
	if k.refused() {
		return "refused Within(" + k.promised() + ")"
	}
	probes := fmt.Sprintf("idle %s, interval %s, count %s", FieldIdle.format(int64(k.Idle)),
		FieldInterval.format(int64(k.Interval)), FieldCount.format(int64(k.Count)))
	if k.Disabled {
		probes = "off"
	}
	s := probes + ", user timeout " + FieldUserTimeout.format(int64(k.UserTimeout))
	if k.Within > 0 {
		s = "within " + seconds(k.Within) + ": " + s
	}
	if k.StallTimeout > 0 {
		s += ", stall timeout " + seconds(k.StallTimeout)
	}
	if k.Pace > 0 {
		s += ", pace " + seconds(k.Pace)
	}
	if k.PathIdleTimeout > 0 {
		s += ", path idle timeout " + seconds(k.PathIdleTimeout)
	}
	if k.TolerateGap > 0 {
		s += ", tolerates a gap of " + seconds(k.TolerateGap)
	}
	return s
}

// refused reports whether no kernel can keep Within.
func (k KeepAlive) refused() bool { return k.Within != 0 && k.Within < MinWithin }

// promised is Within as it was given to the function of that name, which keeps
// its zero as -1.
func (k KeepAlive) promised() string {
	if k.Within == leaveAlone {
		return "0s"
	}
	return seconds(k.Within)
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

// withDefaults fills the zero fields but the user timeout and the pace, which
// depend on what becomes of the others.
func (k KeepAlive) withDefaults() KeepAlive {
	k = k.freed()
	if k.Disabled {
		k.Idle, k.Interval, k.Count = leaveAlone, leaveAlone, leaveAlone
	}
	if k.unnumbered() {
		k.Within = cmp.Or(k.Within, k.defaultWithin())
	}
	if k.StallTimeout == 0 {
		k.StallTimeout = leaveAlone
	}
	d, _ := derive(cmp.Or(k.Within, k.defaultWithin()), k.PathIdleTimeout, k.TolerateGap)
	k.Idle = cmp.Or(k.Idle, d.Idle)
	k.Interval = cmp.Or(k.Interval, d.Interval)
	k.Count = cmp.Or(k.Count, d.Count)
	return k
}

// freed leaves to the defaults what Within has filled in, if PathIdleTimeout or
// TolerateGap may want it otherwise.
func (k KeepAlive) freed() KeepAlive {
	if k.PathIdleTimeout <= 0 && k.TolerateGap <= 0 || k.Within < MinWithin {
		return k
	}
	filled := Within(k.Within)
	for _, f := range [...]Field{FieldIdle, FieldInterval, FieldCount, FieldUserTimeout} {
		if k.value(f) == filled.value(f) {
			k.set(f, 0)
		}
	}
	return k
}

// unnumbered reports whether k leaves it to a promise how it is kept.
func (k KeepAlive) unnumbered() bool {
	return !k.Disabled && k.Idle == 0 && k.Interval == 0 && k.Count == 0 && k.UserTimeout == 0
}

// check refuses what no platform can be asked for.
func (k KeepAlive) check() error {
	if k.refused() {
		return &RangeError{Field: "Within", Value: k.promised(),
			Limit: "below " + seconds(MinWithin) + ", the shortest in which a peer can be asked twice"}
	}
	if k.Within > 0 && k.Idle >= k.Within {
		return &RangeError{Field: "Idle", Value: seconds(k.Idle),
			Limit: "not below Within " + seconds(k.Within) + ", so that no probe could be sent in time"}
	}
	for _, f := range fields {
		if v := k.value(f); v < leaveAlone {
			return &RangeError{Field: goNames[f], Value: f.format(v),
				Limit: "negative, and only -1 may be: it leaves the system's value alone"}
		}
		if v := k.value(f); k.Disabled && f.isProbing() && v > 0 {
			return &RangeError{Field: goNames[f], Value: f.format(v), Limit: "set, although Disabled is true"}
		}
	}
	if err := k.checkPath(); err != nil {
		return err
	}
	return k.checkGap()
}
