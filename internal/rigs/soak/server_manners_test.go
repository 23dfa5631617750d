package main

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func TestAServerThatClosesEarlyIsWellOtherwise(t *testing.T) {
	t.Parallel()
	s, records := serveHere(t)
	before := connect(t, s)
	obey(t, s, order{Do: doEarly})
	livesShortly(t, before)
	livesShortly(t, connect(t, s))
	c := connect(t, s)
	obey(t, s, order{Do: doKeep})
	time.Sleep(mostLife + 100*time.Millisecond)
	ran := len(records.ran())
	if err := c.exchange(soon(), frame{number: 1}); err != nil || len(records.ran()) != ran+1 {
		t.Errorf("when it keeps them again: %v", err)
	}
}

// livesShortly uses a session until its server closes it.
func livesShortly(t *testing.T, c *session) {
	t.Helper()
	begun, n := time.Now(), uint64(0)
	var err error
	for ; err == nil; n++ {
		err = c.exchange(soon(), frame{number: n + 1, want: 64})
	}
	if lived := time.Since(begun); lived < leastLife-100*time.Millisecond || lived > mostLife+time.Second {
		t.Errorf("closed after %v", lived)
	}
	if got := cause(err, false); n < 10 || got != "peer_closed" && got != "reset" {
		t.Errorf("after %d requests: %v", n, err)
	}
}

func TestAServerThatIsFullKeepsSomeAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	for _, tell := range []bool{false, true} {
		s, _ := serveHere(t)
		had := []*session{connect(t, s), connect(t, s), connect(t, s)}
		if n, err := s.obey(order{Do: doFull, Most: 2, Tell: tell}); n != 2 || err != nil {
			t.Fatalf("keeps %d, %v", n, err)
		}
		kept := 0
		for i, c := range had {
			if c.exchange(soon(), frame{number: uint64(i) + 1}) == nil {
				kept++
			}
		}
		if kept != 2 {
			t.Errorf("%d are kept", kept)
		}
		if err := another(t, s); err == nil || errors.Is(err, errFull) != tell {
			t.Errorf("told %v: %v", tell, err)
		}
		if n, err := s.obey(order{Do: doRoom}); n != 2 || err != nil {
			t.Errorf("of those that are kept %d are left, %v", n, err)
		}
		if err := another(t, s); err != nil {
			t.Errorf("with room again: %v", err)
		}
	}
}

// another opens one more session.
func another(t *testing.T, s *server) error {
	t.Helper()
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(soon())
	_, err = open(t.Context(), c)
	return err
}

func TestAServerThatSpeaksUnaskedDoesSoAfterItsReplies(t *testing.T) {
	t.Parallel()
	s, _ := serveHere(t)
	c := connect(t, s)
	obey(t, s, order{Do: doChat, Share: 1})
	for n := range uint64(3) { // what is said meanwhile is passed over
		if err := c.exchange(soon(), frame{number: n + 1, want: 64}); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	_ = c.conn.SetDeadline(soon())
	f, err := c.read()
	if err != nil || f.number&notice == 0 {
		t.Fatalf("%v, %v", number(f.number), err)
	}
	if at := said(f.number); at.Before(begun.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("said at %v", at)
	}
	obey(t, s, order{Do: doHush})
	time.Sleep(mostIdle) // for what was about to be said
	if err := c.exchange(soon(), frame{number: 4}); err != nil {
		t.Fatal(err)
	}
	_ = c.conn.SetDeadline(time.Now().Add(2 * mostIdle))
	if f, err := c.read(); err == nil || err == io.EOF {
		t.Errorf("%v, %v", number(f.number), err)
	}
}
