// Package health tells whether a TCP connection lives, what the kernel knows
// about it, and why it died.
//
// It works on any [net.Conn] that has a socket under it. [Classify] reads the
// cause out of an error alone; [Diagnose] asks the kernel as well, which can
// tell a keepalive timeout from data that stayed unacknowledged and both from a
// peer that answers but does not read. [Inspect] shows what the kernel knows,
// [Check] looks at a connection without consuming anything. A [Cause] is one of
// a closed list, whose constants are a third of what is exported here.
//
// Package health/deathwatch tells of a death while no call is under way, and of
// the first signs of one. Package health/heartbeat asks the application at the
// other end.
package health
