package netconn

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Meter is the account of a connection's use. It tells those who hand a
// connection from one user to the next what happened in between, and how to
// put it back. The zero Meter is ready; it is safe for concurrent use.
type Meter struct {
	faults, written atomic.Uint64
	ended           atomic.Bool

	mu    sync.Mutex                       // guards what follows
	until *struct{ read, write time.Time } // deadlines; nil as long as there was none
}

// End notes that the connection has died, or was closed.
func (m *Meter) End() { m.ended.Store(true) }

// Ended reports whether the connection has died, or was closed.
func (m *Meter) Ended() bool { return m.ended.Load() }

// Fault counts a call that failed: a death, a deadline or io.EOF.
func (m *Meter) Fault() { m.faults.Add(1) }

// Faults returns how many calls have failed.
func (m *Meter) Faults() uint64 { return m.faults.Load() }

// Wrote counts n bytes that the kernel took; negative is none.
func (m *Meter) Wrote(n int64) {
	if n > 0 {
		m.written.Add(uint64(n))
	}
}

// Written returns how many bytes the kernel took of what went through the
// connection's methods. It does not see what [net.Buffers] writes, nor what is
// written past the connection.
func (m *Meter) Written() uint64 { return m.written.Load() }

// SetDeadlines keeps the deadlines that are not nil.
func (m *Meter) SetDeadlines(read, write *time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.until == nil && isZero(read) && isZero(write) {
		return
	}
	if m.until == nil {
		m.until = new(struct{ read, write time.Time })
	}
	if read != nil {
		m.until.read = *read
	}
	if write != nil {
		m.until.write = *write
	}
}

func isZero(t *time.Time) bool { return t == nil || t.IsZero() }

// Deadlines returns the deadlines as they were last set, zero for none.
func (m *Meter) Deadlines() (read, write time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.until == nil {
		return read, write
	}
	return m.until.read, m.until.write
}

// Metered is a connection with an account of its use.
type Metered interface{ Meter() *Meter }
