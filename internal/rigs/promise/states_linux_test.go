package promise

import (
	"crypto/tls"
	"errors"
	"io"
	"time"

	"example.com/hale/health"
)

// A state is one that a connection can be in when its peer vanishes.
type state struct {
	name string
	// bring brings the connection into it.
	bring func(s *subject) error
	// then is what the client does once the peer has vanished, if anything,
	// after that part of the budget.
	then  func(s *subject)
	after float64
	// shut: the window is shut, and the kernel probes it at its pace.
	shut bool
	// long: it takes long to bring about, and is for the tables only.
	long bool
}

const (
	// chunk is what is written at once where much is.
	chunk = 64 << 10
	// slowChunk every slowPause are 10 KB/s.
	slowChunk = 1000
	slowPause = 100 * time.Millisecond
	// slowFor is for how long a slow reader has been one when it vanishes.
	slowFor = 4 * time.Second
	// finWait2 is TCP_FIN_WAIT2 of include/net/tcp_states.h.
	finWait2 health.TCPState = 5
)

var idle = state{name: "idle", bring: (*subject).rest}

var inFlight = state{name: "request in flight", bring: (*subject).exchange, then: (*subject).request}

var halfWay = state{
	name: "idle, request half-way into the silence", bring: (*subject).rest,
	then: (*subject).request, after: 0.5,
}

var stalled = state{name: "stalled for 1 s", bring: stalledFor(time.Second), shut: true}

// near are the states that are tried on a short path.
var near = []state{
	idle,
	inFlight,
	halfWay,
	{
		name: "idle, request late in the silence", bring: (*subject).rest,
		then: (*subject).request, after: 0.8,
	},
	stalled,
	{name: "stalled for 60 s", bring: stalledFor(time.Minute), shut: true, long: true},
	{name: "slow reader, 10 KB/s", bring: (*subject).readSlowly, shut: true},
	{
		name: "our FIN in flight (FIN_WAIT1)", bring: (*subject).exchange,
		then: (*subject).closeWrite,
	},
	{name: "half-closed by us (FIN_WAIT2)", bring: (*subject).halfClose},
	{name: "half-closed by the peer (CLOSE_WAIT)", bring: (*subject).peerHalfCloses},
	{
		name: "half-closed by the peer, request in flight", bring: (*subject).peerHalfCloses,
		then: (*subject).request,
	},
	{
		name: "closed by both, our FIN in flight (LAST_ACK)", bring: (*subject).peerHalfCloses,
		then: (*subject).closeWrite,
	},
	{name: "TLS handshake, ClientHello acknowledged", bring: (*subject).helloAcknowledged},
	{
		name: "TLS handshake, ClientHello in flight", bring: func(*subject) error { return nil },
		then: (*subject).hello,
	},
}

// far are those that are tried on long paths.
var far = []state{
	idle, inFlight,
	{
		name: "request in flight, after ten others", bring: (*subject).settle,
		then: (*subject).request, long: true,
	},
	halfWay, stalled,
}

// settle has the kernel learn how steady the round trips are. After the first it
// takes them to be three times as long.
func (s *subject) settle() error {
	for range 10 {
		if err := s.exchange(); err != nil {
			return err
		}
	}
	return nil
}

// exchange is a request and its reply.
func (s *subject) exchange() error {
	var buf [1]byte
	for _, step := range []func([]byte) (int, error){s.Conn.Write, s.peer.Read, s.peer.Write, s.Conn.Read} {
		if _, err := step(buf[:]); err != nil {
			return err
		}
	}
	return nil
}

// rest leaves the connection idle for the part of its idle time that is the
// subject's phase.
func (s *subject) rest() error {
	err := s.exchange()
	time.Sleep(time.Duration(s.phase * float64(s.Report().Got.Idle)))
	return err
}

// request is written without waiting for anything.
func (s *subject) request() { _, _ = s.Conn.Write(make([]byte, 100)) }

func (s *subject) closeWrite() { _ = s.CloseWrite() }

// stalledFor fills the peer's window, and leaves it shut for d.
func stalledFor(d time.Duration) func(*subject) error {
	return func(s *subject) error {
		s.pour()
		err := s.await(func(i health.Info) bool { return i.Unsent > 0 && i.Unacked == 0 })
		time.Sleep(d + time.Duration(s.phase*float64(s.pace())))
		return err
	}
}

// readSlowly has the peer read much slower than the client writes.
func (s *subject) readSlowly() error {
	s.pour()
	s.sip()
	time.Sleep(slowFor + time.Duration(s.phase*float64(time.Second)))
	return nil
}

// sip has the peer read slowly until the connection's end.
func (s *subject) sip() {
	s.behind.Go(func() {
		buf := make([]byte, slowChunk)
		for s.Conn.Err() == nil {
			if _, err := io.ReadFull(s.peer, buf); err != nil {
				return
			}
			time.Sleep(slowPause)
		}
	})
}

// pour writes as much as the connection takes, until its end.
func (s *subject) pour() {
	s.behind.Go(func() {
		data := make([]byte, chunk)
		for {
			if _, err := s.Conn.Write(data); err != nil {
				return
			}
		}
	})
}

func (s *subject) halfClose() error {
	s.closeWrite()
	return s.await(func(i health.Info) bool { return i.State == finWait2 })
}

func (s *subject) peerHalfCloses() error {
	if err := s.peer.CloseWrite(); err != nil {
		return err
	}
	return s.await(func(i health.Info) bool { return i.State == health.TCPCloseWait && s.Conn.Err() != nil })
}

// hello begins a TLS handshake, which the peer does not answer.
func (s *subject) hello() {
	s.behind.Go(func() { _ = tls.Client(s.Conn, &tls.Config{ServerName: "peer"}).Handshake() })
}

func (s *subject) helloAcknowledged() error {
	s.hello()
	return s.await(func(i health.Info) bool { return i.BytesAcked > 100 && i.Unacked == 0 })
}

// await waits until the kernel says what it should.
func (s *subject) await(ok func(health.Info) bool) error {
	for deadline := time.Now().Add(setup); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		info, err := s.Info()
		if err != nil {
			return err
		}
		if ok(info) {
			return nil
		}
	}
	return errors.New("the connection does not come into the state")
}
