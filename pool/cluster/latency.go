package cluster

import (
	"net"
	"reflect"
	"sync"
	"syscall"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// sampleEvery is how often the round-trip times are read.
const sampleEvery = time.Second

// path is the connection that was dialled last, for its round-trip time.
type path struct {
	mu   sync.Mutex // guards conn
	conn syscall.RawConn
}

func (p *path) set(c net.Conn) {
	sc, ok := netconn.Find[syscall.Conn](c)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn = raw
}

// look returns the round-trip time, or 0 if it is not known. A connection that is
// closed is let go.
func (p *path) look() time.Duration {
	p.mu.Lock()
	raw := p.conn
	p.mu.Unlock()
	if raw == nil {
		return 0
	}
	info, err := health.Inspect(raw)
	if err == nil {
		return info.RTT
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == raw {
		p.conn = nil
	}
	return 0
}

// nearest is the least that a round trip counts for: below, the scheduler is what is
// measured.
const nearest = 50 * time.Microsecond

// unknownPath stands for a path that is not known: it is tried, but not preferred.
const unknownPath = time.Millisecond

// distance is the round-trip time in seconds.
func (m *member[T]) distance() float64 {
	rtt := time.Duration(m.rtt.Load())
	if rtt == 0 {
		rtt = unknownPath
	}
	return max(rtt, nearest).Seconds()
}

// sample reads the round-trip times.
func (c *Cluster[T]) sample() {
	c.mu.Lock()
	all := append([]*member[T]{}, c.members...)
	c.mu.Unlock()
	for _, m := range all {
		if rtt := m.path.look(); rtt > 0 {
			m.rtt.Store(int64(rtt))
		}
	}
}

// isNil reports whether c is nil, or a pointer that is.
func isNil(c net.Conn) bool {
	v := reflect.ValueOf(c)
	return c == nil || v.Kind() == reflect.Pointer && v.IsNil()
}
