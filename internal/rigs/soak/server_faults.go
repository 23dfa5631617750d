package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"example.com/hale/health"
	"example.com/hale/health/healthtest"
)

// obey does what the server was told, and returns to how many connections.
func (s *server) obey(o order) (conns int, err error) {
	switch o.Do {
	case doFreeze:
		return s.freeze()
	case doThaw:
		return s.thaw()
	case doMark:
		s.record(marked, 0)
		return 0, nil
	case doReset:
		return s.each(s.some(o.Share), abort), nil
	case doSlow:
		return s.each(s.some(o.Share), func(p *peer) { p.setSlow(true) }), nil
	case doGoOn:
		return s.each(s.some(1), func(p *peer) { p.setSlow(false) }), nil
	case doHalfClose:
		return s.each(s.some(o.Share), s.halfClose), nil
	case doDropHalf:
		return s.each(s.halves(), func(p *peer) { p.Close() }), nil
	case doEarly, doKeep:
		return s.setEarly(o.Do == doEarly), nil
	case doFull, doRoom:
		return s.setMost(o.Most, o.Tell), nil
	case doChat, doHush:
		return s.setChat(o.Share), nil
	}
	return 0, fmt.Errorf("an order to %q", o.Do)
}

func (s *server) each(peers []*peer, f func(*peer)) int {
	for _, p := range peers {
		f(p)
	}
	return len(peers)
}

// some picks a share of the connections at random, one at least.
func (s *server) some(share float64) []*peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*peer, 0, len(s.conns))
	for p := range s.conns {
		all = append(all, p)
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(len(all), int(share*float64(len(all)))+1)]
}

// halfClose has the connection say goodbye, and reads on.
func (s *server) halfClose(p *peer) {
	s.mu.Lock()
	p.half = true
	s.mu.Unlock()
	_ = p.CloseWrite() // fails if the client was quicker
}

func (s *server) isHalf(p *peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.half
}

func (s *server) halves() []*peer {
	return slices.DeleteFunc(s.some(1), func(p *peer) bool { return !s.isHalf(p) })
}

// freeze makes the server vanish, as a machine that is paused: it runs no
// request any more, says nothing, and hears nothing, neither on its
// connections nor of new ones. Requests that have arrived by then are run
// after the thaw.
func (s *server) freeze() (conns int, err error) {
	s.running.Lock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = true
	if err := s.keep(healthtest.FreezeListener(s.listener)); err != nil {
		return 0, err
	}
	s.awaitAcknowledged()
	for p := range s.conns {
		// One whose client has just closed it is none of ours any more.
		if err := s.keep(healthtest.Freeze(p.TCPConn)); err != nil && !errors.Is(err, net.ErrClosed) {
			return 0, err
		}
	}
	return len(s.conns), nil
}

// keep remembers how to undo a freeze. The caller holds s.mu.
func (s *server) keep(thaw func() error, err error) error {
	if err == nil {
		s.thaws = append(s.thaws, thaw)
	}
	return err
}

func (s *server) thaw() (conns int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.frozen {
		return 0, nil
	}
	s.frozen = false
	var errs []error
	for _, thaw := range s.thaws {
		errs = append(errs, thaw())
	}
	s.thaws = nil
	s.running.Unlock()
	return len(s.conns), errors.Join(errs...)
}

// mostDelay is more than a client's kernel puts off an acknowledgement (RFC
// 9293 section 3.8.6.3).
const mostDelay = 500 * time.Millisecond

// awaitAcknowledged waits until there is nothing to send again: a machine that
// is paused does not retransmit, but a socket that only does not hear does. The
// caller holds s.mu.
func (s *server) awaitAcknowledged() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	end := time.Now().Add(mostDelay)
	for p := range s.conns {
		for unacknowledged(p) && time.Now().Before(end) {
			<-timer.C
			timer.Reset(time.Millisecond)
		}
	}
}

func unacknowledged(p *peer) bool {
	raw, err := p.SyscallConn()
	if err != nil {
		return false
	}
	info, err := health.Inspect(raw)
	return err == nil && info.Unacked > 0
}
