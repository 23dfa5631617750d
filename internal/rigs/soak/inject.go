package main

import (
	"fmt"
	"slices"
	"time"
)

// inject makes a fault happen.
func (s *soaking) inject(f fault) error {
	s.faults[f.kind]++
	if f.heals() {
		s.active = append(s.active, f)
		s.history.begins(f.kind, f.server)
	}
	p, at := s.servers[f.server], time.Now()
	if f.kind == freeze || f.kind == kill || f.kind == stop {
		s.downtime.fails(f.server, true)
	}
	var a answer
	var err error
	switch f.kind {
	case freeze:
		a, err = p.order(order{Do: doFreeze})
	case kill:
		p.kill()
	case stop:
		err = p.stop()
	case reset:
		a, err = p.order(order{Do: doReset, Share: f.share})
	case halfClose:
		a, err = p.order(order{Do: doHalfClose, Share: f.share})
	case slowReader:
		a, err = p.order(order{Do: doSlow, Share: f.share})
	case earlyClose:
		a, err = p.order(order{Do: doEarly})
	case full:
		a, err = p.order(order{Do: doFull, Most: s.fewer(f.share), Tell: f.tell})
	case unasked:
		a, err = p.order(order{Do: doChat, Share: f.chatter()})
	case move:
		s.move(f)
	case standstill:
		return s.standStill(f)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", f, err)
	}
	took := ""
	if a.Conns > 0 {
		took = fmt.Sprintf(" (%d connections)", a.Conns)
	}
	s.line.Print(at, "%v%s", f, took)
	return nil
}

func (s *soaking) move(f fault) {
	s.name.lead(hosts[f.server])
	s.downtime.leads(f.server)
	if f.tell {
		s.pool.Invalidate("the name has moved")
	}
}

// fewer is how many connections a server that is full takes: two at least,
// for one that is closed by either side may still count when the next comes.
func (s *soaking) fewer(share float64) int {
	return max(2, min(int(share*float64(s.conns())), s.conns()-1))
}

// standStill stops this process for the time of the fault.
func (s *soaking) standStill(f fault) error {
	s.line.Print(time.Now(), "%v", f)
	s.downtime.rests(true)
	s.history.begins(f.kind, 0)
	err := stopped(f.end - f.start)
	s.history.ends(f.kind, 0)
	s.downtime.rests(false)
	if err != nil {
		return fmt.Errorf("%v: %w", f, err)
	}
	s.line.Print(time.Now(), "  %s is over", f.kind)
	return nil
}

// heal ends a fault.
func (s *soaking) heal(f fault) error {
	p := s.servers[f.server]
	var err error
	switch f.kind {
	case freeze:
		_, err = p.order(order{Do: doThaw})
	case kill:
		err = p.start()
	case stop:
		err = p.cont()
	case halfClose:
		_, err = p.order(order{Do: doDropHalf})
	case slowReader:
		_, err = p.order(order{Do: doGoOn})
	case earlyClose:
		_, err = p.order(order{Do: doKeep})
	case full:
		_, err = p.order(order{Do: doRoom})
	case unasked:
		_, err = p.order(order{Do: doHush})
	}
	if err != nil {
		return fmt.Errorf("end of %v: %w", f, err)
	}
	s.downtime.fails(f.server, false) // it can have but one fault at a time
	s.history.ends(f.kind, f.server)
	s.active = slices.DeleteFunc(s.active, func(other fault) bool { return other == f })
	s.line.Print(time.Now(), "  %s %s is over", f.kind, serverNames[f.server])
	return nil
}
