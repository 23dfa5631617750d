// Package hale makes TCP connections that know when their peer is gone.
//
// A [Dialer] (or a [ListenConfig]) sets keepalive and the bound for
// unacknowledged data as one budget, reads back what the operating system
// really took, and gives a [*Conn]: a net.Conn that says why it died, to every
// caller and as often as it is asked.
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
// Package sockopt decides what is set on which operating system, package health
// explains deaths.
package hale
