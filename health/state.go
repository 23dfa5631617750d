package health

// A State is what is believed of a connection right now.
type State uint8

const (
	// Alive: there is no sign of trouble.
	Alive State = iota
	// Suspect: a keepalive probe is unanswered, or sent data has been
	// unacknowledged for too long; the kernel has not given up yet.
	Suspect
	// Dead: the connection has died or was closed.
	Dead
)

// String returns "alive", "suspect" or "dead".
func (s State) String() string {
	switch s {
	case Alive:
		return "alive"
	case Suspect:
		return "suspect"
	}
	return "dead"
}
