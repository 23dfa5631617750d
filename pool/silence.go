package pool

import (
	"net"
	"syscall"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
)

// lastHeard is when the endpoint gave its last sign of life, as far as the
// living connections tell. Those that wait for an answer themselves are
// believed, and so is what the others heard before dead, if there is one, was
// owed an answer: what they heard later has only shown that it is another path
// that is broken. The time is zero if nobody tells. An
// empty remote means every address that the endpoint has had.
func (c *conns[T]) lastHeard(remote string, dead *health.DeadError) (last time.Time) {
	for _, s := range c.alive(remote) {
		info, waits := s.unanswered()
		heard := time.Now().Add(-info.Silence())
		if heard.After(last) && (waits || info != health.Info{} && before(heard, dead)) {
			last = heard
		}
	}
	return last
}

// before reports whether heard was before dead was owed an answer.
func before(heard time.Time, dead *health.DeadError) bool {
	return dead != nil && dead.Unanswered > 0 && !heard.After(dead.Detected.Add(-dead.Unanswered))
}

// infoOf returns what asks the kernel about conn, or nil if it does not tell.
func infoOf(conn net.Conn) informer {
	if i, ok := netconn.Find[informer](conn); ok {
		return informerOf(i)
	}
	sc, ok := netconn.Find[syscall.Conn](conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	info := &socketInfo{raw}
	if _, err := info.Info(); err != nil {
		return nil
	}
	return info
}

// informer is what tells what the kernel knows of a connection, as hale.Conn does.
type informer interface{ Info() (health.Info, error) }

// socketInfo tells it of any socket.
type socketInfo struct{ raw syscall.RawConn }

func (i *socketInfo) Info() (health.Info, error) { return health.Inspect(i.raw) }

// unanswered asks the kernel whether the peer leaves anything unanswered.
func (s *slot[T]) unanswered() (info health.Info, yes bool) {
	if s.info == nil {
		return info, false
	}
	info, err := s.info.Info()
	return info, err == nil && (info.Probes > 0 || info.Retransmits > 0)
}
