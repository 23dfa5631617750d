// Package health tells whether a TCP connection lives, what the kernel knows
// about it, and why it died.
//
// It works on any [net.Conn] that has a socket under it. [Classify] reads the
// cause out of an error alone; [Diagnose] asks the kernel as well, which can
// tell a keepalive timeout from data that stayed unacknowledged and both from
// a peer that answers but does not read. [Inspect] shows what the kernel
// knows, [Check] looks at a connection without consuming anything.
//
// [Watch] and [Supervise] tell of a death that nobody's call has met, and of
// the first signs of one. Package health/heartbeat asks the application at the
// other end.
package health
