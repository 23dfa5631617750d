package pool

import "time"

// A moment is a time in a third of the memory of a time.Time, of which every
// connection has some: since the start of the program.
type moment time.Duration

var programStart = time.Now()

func momentNow() moment { return moment(time.Since(programStart)) }

func (m moment) since() time.Duration { return time.Duration(momentNow() - m) }

func (m moment) time() time.Time { return programStart.Add(time.Duration(m)) }
