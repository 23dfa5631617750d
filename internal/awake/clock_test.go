package awake

import (
	"sync/atomic"
	"time"
)

// standing is a clock that jumps when this process is to have stood still: the
// timers of the bubble then seem late by that.
type standing struct{ jumped atomic.Int64 }

func (s *standing) now() time.Time { return time.Now().Add(time.Duration(s.jumped.Load())) }

func (s *standing) still(d time.Duration) { s.jumped.Add(int64(d)) }
