package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// scripted is a session whose server has written frames before it was asked.
func scripted(t *testing.T, frames ...frame) *session {
	t.Helper()
	var replies bytes.Buffer
	for _, f := range frames {
		if err := writeFrame(&replies, f); err != nil {
			t.Fatal(err)
		}
	}
	return &session{conn: &script{Reader: &replies}}
}

// script is a connection that takes everything.
type script struct {
	net.Conn
	io.Reader
}

func (s *script) Read(b []byte) (int, error)    { return s.Reader.Read(b) }
func (*script) Write(b []byte) (int, error)     { return len(b), nil }
func (*script) SetDeadline(time.Time) error     { return nil }
func (*script) SetReadDeadline(time.Time) error { return nil }

func TestAFrameIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, size := range []uint32{0, 8, chunkSize - 8, chunkSize, chunkSize + 8, 100_000} {
		var b bytes.Buffer
		want := frame{number: 1<<sequenceBits | 77, size: size, want: 24}
		if err := writeFrame(&b, want); err != nil {
			t.Fatal(err)
		}
		if b.Len() != headerSize+int(size) {
			t.Errorf("%d bytes for a body of %d", b.Len(), size)
		}
		got, err := readHeader(&b)
		if err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		if err := readBody(&b, got); err != nil || b.Len() > 0 {
			t.Errorf("%v, %d bytes are left", err, b.Len())
		}
	}
}

func TestACrossedReplyIsCaught(t *testing.T) {
	t.Parallel()
	request := frame{number: 5, want: 64}
	for _, test := range []struct {
		name  string
		reply []frame
		owed  uint64
		want  string
	}{
		{"to another request", []frame{{number: 6, size: 64}}, 0, "asked 0-5, got the reply to 0-6"},
		{"of another size", []frame{{number: 5, size: 72}}, 0, "asked 0-5 for 64 bytes, got 72"},
		{"still to come for another", []frame{{number: 5, size: 64}}, 4, "the reply to 0-4 is still to come"},
	} {
		s := scripted(t, test.reply...)
		s.owed = test.owed
		err := s.exchange(time.Now().Add(time.Second), request)
		if _, isWrong := errors.AsType[*wrongFrame](err); !isWrong || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if got := cause(err, false); got != causeWrongReply {
			t.Errorf("%s: cause %s", test.name, got)
		}
	}
}

func TestWhatWasSaidUnaskedIsCaughtIfItLayThere(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		name  string
		since time.Time
		want  bool
	}{
		{"said before the connection was asked for", now.Add(onItsWay + time.Millisecond), true},
		{"said at about that time", now.Add(onItsWay / 2), false},
		{"said later", now.Add(-time.Second), false},
		{"nobody minds", time.Time{}, false},
	} {
		s := scripted(t, frame{number: notice | uint64(now.UnixMicro())}, frame{number: 5})
		s.since = test.since
		err := s.exchange(time.Now().Add(time.Second), frame{number: 5})
		_, isWrong := errors.AsType[*wrongFrame](err)
		if isWrong != test.want || !isWrong && err != nil || s.owed != 0 {
			t.Errorf("%s: %v, owed %d", test.name, err, s.owed)
		}
	}
}

func TestAPingMindsWhatLayThereToo(t *testing.T) {
	t.Parallel()
	s := &session{since: time.Now()}
	err := s.overheard(ping|1, time.Now().Add(-time.Second))
	if _, isWrong := errors.AsType[*wrongFrame](err); !isWrong {
		t.Error(err)
	}
}

func TestARefusalIsNoReply(t *testing.T) {
	t.Parallel()
	s := scripted(t, frame{number: refusal})
	if err := check(t.Context(), s); err != errFull {
		t.Error(err)
	}
}

func TestAReplyPiecedTogetherOfTwoIsCaught(t *testing.T) {
	t.Parallel()
	var one, other bytes.Buffer
	if err := errors.Join(writeFrame(&one, frame{number: 5, size: 64}), writeFrame(&other, frame{number: 6, size: 64})); err != nil {
		t.Fatal(err)
	}
	mixed := append(one.Bytes()[:one.Len()-8], other.Bytes()[other.Len()-8:]...)
	s := &session{conn: &script{Reader: bytes.NewReader(mixed)}}
	err := s.exchange(time.Now().Add(time.Second), frame{number: 5, want: 64})
	if err == nil || err.Error() != "in a frame of 0-5 there is one of 0-6" {
		t.Error(err)
	}
}

func TestResyncGetsRidOfTheReplyThatIsStillToCome(t *testing.T) {
	t.Parallel()
	s := scripted(t)
	if err := s.exchange(time.Now().Add(time.Second), frame{number: 5, want: 64}); err != io.EOF || s.owed != 5 || s.torn {
		t.Fatalf("%v, %+v", err, s)
	}
	for s.owed != 0 { // pings are numbered by all tests together
		next := pings.Load() + 1
		var replies bytes.Buffer
		if err := errors.Join(writeFrame(&replies, frame{number: 5, size: 64}), writeFrame(&replies, frame{number: ping | next})); err != nil {
			t.Fatal(err)
		}
		again := &session{conn: &script{Reader: &replies}, owed: 5}
		err := resync(t.Context(), again)
		if err == nil && again.owed == 0 && replies.Len() == 0 {
			return
		}
		if pings.Load() == next {
			t.Fatalf("%v, %+v", err, again)
		}
	}
}

func TestATornSessionIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		left int // bytes of the reply
		torn bool
	}{
		{"nothing has come", 0, false}, {"half a header", 8, true}, {"a header", headerSize, true}, {"half a body", headerSize + 32, true},
	} {
		var reply bytes.Buffer
		if err := writeFrame(&reply, frame{number: 5, size: 64}); err != nil {
			t.Fatal(err)
		}
		s := &session{conn: &script{Reader: bytes.NewReader(reply.Bytes()[:test.left])}}
		if err := s.exchange(time.Now().Add(time.Second), frame{number: 5, want: 64}); err == nil {
			t.Errorf("%s: no error", test.name)
		}
		if got := errors.Is(resync(t.Context(), s), errTorn); got != test.torn {
			t.Errorf("%s: given up: %v", test.name, got)
		}
	}
}
