package main

import (
	"math/rand/v2"
	"time"
)

// The manners of a server that serves, and is not easy to be a client of.

const (
	// leastLife and mostLife are of a connection to a server that closes early.
	leastLife = time.Second
	mostLife  = 5 * time.Second
	// mostLate is how long after a reply a second line of it may come.
	mostLate = 10 * time.Millisecond
	// leastIdle and mostIdle are for how long nothing was asked when there is a
	// notice of that.
	leastIdle = 50 * time.Millisecond
	mostIdle  = 500 * time.Millisecond
)

// setEarly has connections be closed early, or not any more, and returns how
// many there are.
func (s *server) setEarly(early bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.early = early
	for p := range s.conns {
		if early {
			hangUpEarly(p)
		} else {
			_ = p.SetReadDeadline(time.Time{}) // fails if it is closed
		}
	}
	return len(s.conns)
}

// hangUpEarly has the server close a connection after a while, when it waits
// for the next request.
func hangUpEarly(p *peer) {
	_ = p.SetReadDeadline(time.Now().Add(leastLife + rand.N(mostLife-leastLife))) // fails if it is closed
}

// setMost has the server keep at most so many connections, 0 for no limit. It
// closes those that are too many, and returns how many it keeps.
func (s *server) setMost(most int, tells bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most, s.tells = most, tells
	left := s.count()
	for p := range s.conns {
		if most > 0 && left > most && !p.refused {
			_ = p.SetReadDeadline(time.Now())
			left--
		}
	}
	return left
}

// count is of the connections that are served. The caller holds s.mu.
func (s *server) count() (n int) {
	for p := range s.conns {
		if !p.refused {
			n++
		}
	}
	return n
}

// refuse answers a client's first frame by saying that the server is full.
func (s *server) refuse(p *peer) {
	_ = p.SetDeadline(time.Now().Add(time.Second))
	f, err := readHeader(p)
	if err == nil {
		err = readBody(p, f)
	}
	if err == nil {
		_ = p.say(frame{number: refusal})
	}
}

// setChat has the server say more after a share of its replies, and returns on
// how many connections.
func (s *server) setChat(share float64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chat = share
	return len(s.conns)
}

// sayMore says more than was asked, as likely as the server is told to: a
// second line soon after the reply, or a notice if nothing is asked for a while.
func (s *server) sayMore(p *peer) {
	s.mu.Lock()
	chat := s.chat
	s.mu.Unlock()
	if rand.Float64() >= chat {
		return
	}
	asked, idle, after := p.asked.Load(), rand.IntN(2) == 0, rand.N(mostLate)
	if idle {
		after = leastIdle + rand.N(mostIdle-leastIdle)
	}
	s.wg.Go(func() {
		time.Sleep(after)
		if !idle || p.asked.Load() == asked {
			_ = p.say(frame{number: noticeNow()}) // fails if it is closed
		}
	})
}
