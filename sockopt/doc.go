// Package sockopt makes the operating system notice a dead peer within a given
// time. You want [Within]: a [KeepAlive] made from that time alone, for a
// hale.Dialer or, by [Control], for any other dialer or listener.
//
//	d := net.Dialer{Control: sockopt.Control(sockopt.Within(30 * time.Second)), KeepAlive: -1}
//
// # A plan
//
// The rest is for programs that decide or show which socket options are set.
// [Platform.Plan] turns a KeepAlive into a [Plan] for a connection that hale
// watches: plain data that lists the system calls ([Op]), the values that the kernel
// will really act by, and what the platform cannot do. A plan makes no system call,
// so any platform can be planned for anywhere; a value that the platform does not take
// is a [*RangeError], and nothing is clamped. [Platform.PlanUnwatched] is for sockets
// that only the kernel looks after, as those of Control: it sets a user timeout, too,
// where hale's watch would do better.
//
// # Applied, and read back
//
// [Plan.Apply] carries a plan out on a connection that stands and returns a [Report] of
// asked against held, option by option. [Get] reads what any socket holds.
//
// # What is known of each system
//
// The numbers of the plan tables come from the systems' manuals and sources.
// Those of Linux are tested on a running kernel, those of Windows under wine; Darwin, the
// BSDs, Solaris, illumos and AIX are planned as documented, compiled, and tested as data.
//
// The package has no state, and everything in it may be used by several
// goroutines at once.
package sockopt
