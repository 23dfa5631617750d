package figure

// Effort is how much is measured.
type Effort int

const (
	Brief  Effort = iota // everything once, so that nothing rots; the figures mean nothing
	Normal               // all of it in under five minutes
	Long                 // more rounds, and larger numbers
)

// Pick is the value for the effort.
func Pick[T any](e Effort, brief, normal, long T) T { return [...]T{brief, normal, long}[e] }
