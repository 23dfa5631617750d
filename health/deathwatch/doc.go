// Package deathwatch watches connections: it tells that one has died although
// no call reads or writes, and early that one might.
//
// A connection of package hale is watched from its making to its close; [Watch]
// is for any other. [Supervise], and the types with it, are what hale.Conn is
// made with, and only for programs that make a connection type of their own:
// Supervise also ends the silence of a peer within a time, which the kernel
// alone cannot. Nothing else is exported.
//
// # How it decides
//
// The kernel asks the peer: by keepalive probes on an idle connection, by
// retransmissions while data is in flight, by window probes while the peer
// takes nothing. It counts all of these since the peer was last heard. The
// watch looks at that count, seldom while all is well.
//
// From the first unanswered probe of an idle connection on, if that was given a
// promise and no numbers of its own ([Limits.Ask]), it has the kernel ask again,
// about twice a second and no faster than the path answers; every tenth of a second
// where the budget is short. (A Linux peer answers one probe in half a second, but
// the probe may be what was lost.) For that it sets TCP_KEEPIDLE to a second, which
// makes Linux probe at once (tcp_sock_set_keepidle), and TCP_KEEPCNT to 64 so that
// the probes do not end the connection early. Both are put back when the peer is
// heard. So one lost packet, or several, is no death.
//
// A silence is a death when it has lasted for Limits.Silence, with several
// probes or retransmissions that had the time to be answered, while this
// process was awake to see it: one that was stopped, frozen or paused with its
// machine asks again when it goes on, or waits until the kernel has. The kernel pronounces the death of an
// idle connection, by a TCP_KEEPCNT of 1; the watch itself ends one with data
// in flight, which the kernel would go on sending.
//
// A peer whose kernel answers is alive, however little its program reads.
//
// A death by silence has the watch ask all connections to the same address at
// once.
package deathwatch
