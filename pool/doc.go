// Package pool keeps connections to one endpoint and never hands out a dead
// one.
//
// It pools values of any type T that are opened on a network connection: a
// database session, an RPC client, or the connection itself. It is built on
// github.com/jackc/puddle/v2, which holds the idle values; what this package
// adds is knowing the state of the connection under each value, and acting on
// it at once.
//
//	p, err := pool.New(pool.Config[*Session]{Dial: dial, Open: login, MaxConns: 16})
//	...
//	err = p.Do(ctx, func(ctx context.Context, s *Session) error { return s.Query(ctx, "...") })
//
// # What it sees to
//
//   - a connection that dies is closed within milliseconds if it is idle, or else
//     when it is released, and the next Acquire gets another. It is replaced in
//     the background if MinConns or MinIdleConns needs it: at once, or after a
//     pause if it died young;
//   - a death by silence makes the other connections to the same address
//     suspect: they are checked before a caller gets them;
//   - while the endpoint is down, or takes no more connections, one dial at a time
//     is made, with growing and jittered pauses, and all callers wait for its
//     result or for a connection that comes free;
//   - connections to an address that the endpoint's name has no longer are closed
//     once nobody uses them, with Config.Resolve;
//   - a server that hangs while connections are in use is found by a [Monitor], if
//     the Config asks for one;
//   - a request is sent again only if not a byte of the first attempt can have
//     left, or if the caller says that it is idempotent.
//
// # Taking, and giving back
//
// [Pool.Do] runs a function with a value. [Pool.Acquire] takes one, and the [Conn] that it
// gives is released, closed or hijacked; a caller who has sent a request and does not wait
// for the reply closes it. [Pool.TryAcquire] waits for nothing. [SafeToRetry] says of an
// error, and [Conn.Untouched] of a use, that not a byte of the request can have been sent.
//
// What a session keeps at its server from one use to the next is the affair of
// three functions of the [Config]: PrepareAcquire before a use, AfterRelease after
// it, and Reset if that says no.
//
// # Seeing it, and ending it
//
// [Pool.Stats] is how things are, an [Observer] is told what happens, [LogObserver] makes
// lines of log/slog of it, and package otel spans and metrics. [Pool.WaitReady] is for a
// program that is to be ready, [Pool.Resize] and [Pool.Invalidate] for one that learns
// something, [Pool.Shutdown] and [Pool.Close] for the end.
//
// # What it costs
//
// Connections of package hale tell all that by themselves; what else Acquire
// makes is one system call, to see whether a late reply lies on the connection
// (none with KeepUnread). Any other net.Conn is looked at when it is acquired,
// and when it is idle.
package pool
