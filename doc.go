// Package hale makes TCP connections that know when their peer is gone.
//
// Replace
//
//	conn, err := net.Dial("tcp", address)
//
// by
//
//	conn, err := hale.Dial("tcp", address)
//
// and a peer that vanishes is noticed within 30 seconds, whether the connection
// is idle, waits for an acknowledgement, or for a peer that reads slowly, not after
// minutes or never. (Before Linux 6.15, one that had stopped reading takes longer.)
//
// # Making a connection
//
// A [Dialer] dials as a [net.Dialer] does; a [ListenConfig], or [NewListener] over any
// listener, gives a server's connections the same; [Dialer.Adopt] takes a connection that
// exists. Each sets keepalive and the bound for unacknowledged data as one budget, which
// package sockopt plans for each operating system, and reads back what the system really
// took: [Conn.Report]. The time is KeepAlive's, most easily sockopt.Within(10*time.Second).
// Strict turns what is missing into an error.
//
// # Using it
//
// A [*Conn] is a net.Conn that embeds the *net.TCPConn, so splice, sendfile, writev and
// deadlines work as they do there. The first error that ends it is kept, as a
// *health.DeadError with the [health.Cause], and every later call returns that: the kernel
// tells it once, to whoever comes first. An orderly end is exactly io.EOF, and a deadline
// is never a death.
//
// # Knowing without asking
//
// One goroutine watches all connections of the process (package health/deathwatch), at no
// cost to their data path. When a peer is given up, [Conn.Done] is closed and [Conn.Err] set
// with nobody reading; [Conn.State] is suspect before that; [Conn.Watch] calls a function. An
// [Observer] is told of everything, [LogObserver] makes lines of log/slog of it, and [Tee]
// joins observers. [Conn.Info] shows what the kernel knows, and [Conn.Ping] asks the kernel
// at the other end. What cannot be watched says why: [Conn.Unwatched].
//
// [From] finds the Conn under TLS and other wrappers; its Err is one atomic load on Linux,
// and the cheapest liveness check that a pool of any kind can have.
//
// # Beside it
//
// Package health explains the death of any connection, package pool keeps connections to an
// endpoint and hands out none that is dead, package otel makes spans and metrics of both. The
// folder docs has recipes for the common clients.
package hale
