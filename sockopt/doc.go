// Package sockopt makes the operating system notice a dead peer within a given
// time. You want [Within]: a [KeepAlive] made from that time alone, for a
// hale.Dialer or, by [Control], for any other dialer or listener.
//
// The rest is for programs that decide or show which socket options are set.
// [Platform.Plan] turns a KeepAlive into a [Plan] for a connection that hale
// watches: plain data that lists the system calls, the values the kernel will
// really act by, and what the platform cannot do. A plan makes no system call,
// so any platform can be planned for anywhere. [Plan.Apply] carries it out on a
// connection that stands and returns a [Report] of asked against held, option
// by option.
//
// [Platform.PlanUnwatched] is for sockets that only the kernel looks after, and
// [Control] does all of that as a hook of any [net.Dialer] or [net.ListenConfig].
//
// The numbers of the plan tables come from the systems' manuals and sources.
// Those of Linux are tested on a running kernel; Darwin, the BSDs, Solaris,
// illumos, AIX and Windows are planned as documented.
//
// The package has no state, and everything in it may be used by several
// goroutines at once.
package sockopt
