// Package health tells whether a TCP connection lives, what the kernel knows
// about it, and why it died.
//
// It works on any [net.Conn] that has a socket under it, hale's or not.
//
// # Why did it die
//
// [Classify] reads the cause out of an error alone; [IsDead] says whether an error is a
// death at all: a deadline that passed is none. [Diagnose] asks the kernel as well, which
// can tell a keepalive timeout from data that stayed unacknowledged, and both from a peer
// that answers but does not read. What it makes is a [DeadError]: the [Cause], how long the
// peer had been silent, and what the kernel knew. A Cause is one of a closed list, whose
// words mean the same in errors, logs and metrics, and whose constants are a third of what is
// exported here.
//
//	n, err := conn.Read(b)
//	if dead := health.Diagnose(conn, err); dead != nil {
//		log.Print(dead.Cause, dead.Silence, dead.Info)
//	}
//
// The kernel tells the error of a connection once, to whichever call comes first. A
// hale.Conn keeps it; on any other connection the second caller learns little.
//
// # Does it live
//
// [Check] looks at a connection without consuming anything, and without asking the peer:
// one that vanished is found once the kernel has given it up. [Inspect] shows what the
// kernel knows ([Info]): round trip, unanswered probes, bytes in flight, the window. Linux
// fills it; elsewhere it says errors.ErrUnsupported.
//
// # Beside it
//
// Package health/deathwatch tells of a death while no call is under way, and of
// the first signs of one. Package health/heartbeat asks the application at the
// other end. Package health/healthtest makes a live peer vanish, for tests.
package health
