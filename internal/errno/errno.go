// Package errno knows by what numbers the operating systems tell that something
// is wrong with a connection: one table for each, for all of hale's packages.
package errno

// A Kind is what an error of the operating system says on its own.
type Kind uint8

const (
	None         Kind = iota // no number, or one that says nothing of a connection
	TimedOut                 // the peer has left everything unanswered
	SendTimedOut             // Windows: data stayed unacknowledged, or another failure
	Reset                    // the peer, or something on the way, sent RST
	Broken                   // a write too late: after our own FIN, or after a death that was reported before
	Ended                    // Windows: the connection is over, in good order as far as is known
	Subflows                 // MPTCP: all subflows have died; the kernel keeps no trace of how
	Unreachable              // no way to the peer
	Aborted                  // by this machine's administrator, or as a network went
	Refused                  // nothing listens there
	NoAddress                // of this machine; as a rule the ephemeral ports are used up
	NoFiles                  // no descriptor is left
	Denied                   // by a rule of this machine
	Prohibited               // by a rule of a router or of the other machine

	Kinds // how many there are
)

// Refusal reports whether k is a no by somebody other than the peer's program.
func (k Kind) Refusal() bool { return k == Refused || k == Denied || k == Prohibited }
