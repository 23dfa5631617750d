// Package heartbeat asks peers, by a probe of the application's own, whether
// they still serve. It finds what no kernel can: a process that hangs or is
// stopped behind a kernel that goes on answering, and one that is gone behind a
// proxy that stays.
//
// A [Prober] has the probe, how often it is sent and how long an answer may take; it
// probes any number of connections, at most 64 at a time, while their owners do not use
// them. Each has a [Pulse], which its owner locks for every use: no probe gets in between a
// request and its reply, and a use counts as a sign of life, so that busy connections are
// not probed at all.
//
// A peer that does not answer in time is dead by [health.HeartbeatFailed], and the function
// that was given to Start is told, once: it closes the connection. Time counts only while
// this process is awake, so a pause of ours is no silence of the peer's.
//
// Package pool does so for the connections of a pool, by Config.Check and
// Config.Heartbeat. To ask the peer's kernel alone, which needs no protocol, there is
// Ping of a hale.Conn.
package heartbeat
