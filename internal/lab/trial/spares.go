package trial

// Spares are what no request uses at the moment, of a client whose user keeps
// several connections or streams: as many as requests are under way at a time.
type Spares[T any] struct {
	kept  chan T
	alive func(T) bool
	end   func(T)
}

// mostSpares is enough for the workers of a trial.
const mostSpares = 8

// NewSpares has none yet. alive tells those that can be used again, as far as is
// known without asking the server; end is for the others.
func NewSpares[T any](alive func(T) bool, end func(T)) Spares[T] {
	return Spares[T]{kept: make(chan T, mostSpares), alive: alive, end: end}
}

// Take returns one; ok is false if there is none.
func (s Spares[T]) Take() (v T, ok bool) {
	for {
		select {
		case v := <-s.kept:
			if s.alive(v) {
				return v, true
			}
			s.end(v)
		default:
			return v, false
		}
	}
}

// Put takes v back after a request, unless that has failed.
func (s Spares[T]) Put(v T, failed error) {
	if failed != nil {
		s.end(v)
		return
	}
	select {
	case s.kept <- v:
	default: // more than are kept
		s.end(v)
	}
}
