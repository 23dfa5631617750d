package bench

import "testing"

// Conns is how many connections each pool has unless it is asked for more, all of
// them open and idle before anything is measured.
const Conns = 8

// A Rival is a pool that is measured.
type Rival struct {
	Name string
	Open func(tb testing.TB, conns int) Use // the pool is closed when tb ends
}

// Use takes a connection, calls held unless it is nil, and gives the connection
// back.
type Use func(held func()) error

// NewUse is the Use of a pool that is asked for a connection by one call and
// given it back by another. All rivals go through it, so that the calls which it
// adds are the same for all.
func NewUse[C any](acquire func() (C, error), release func(C) error) Use {
	return func(held func()) error {
		c, err := acquire()
		if err != nil {
			return err
		}
		if held != nil {
			held()
		}
		return release(c)
	}
}
