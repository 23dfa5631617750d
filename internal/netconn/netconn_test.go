package netconn

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestACallEndsWithTheContextThatItIsBoundTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		ctx, cancel := context.WithCancel(t.Context())
		end, err := Bind(ctx, near)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err = near.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if !end() {
			t.Error("the context has not ended, it says")
		}
	})
}

func TestADeadlineFromBeforeDoesNotEndACallThatIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		for _, before := range []time.Duration{-time.Second, time.Second} {
			if err := near.SetDeadline(time.Now().Add(before)); err != nil {
				t.Fatal(err)
			}
			end, err := Bind(t.Context(), near)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Minute, func() { far.Write([]byte("x")) })
			if _, err := near.Read(make([]byte, 1)); err != nil {
				t.Errorf("%v: %v", before, err)
			}
			end()
		}
	})
}

func TestWhatIsNotBoundAnyMoreGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		end, err := Bind(ctx, near)
		if err != nil || end() {
			t.Fatal("bound to what has ended:", err)
		}
		if err := near.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() { far.Write([]byte("x")) })
		if _, err := near.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

// lasting is a connection that can be ended.
type lasting struct {
	net.Conn
	meter Meter
}

func (l *lasting) Meter() *Meter { return &l.meter }

func TestTheLastConnectionThatStandsIsTheOneThatWasDialled(t *testing.T) {
	t.Parallel()
	open := func() *lasting { return new(lasting) }
	first, second, third, late := open(), open(), open(), open()
	Note(t.Context(), first) // nobody records
	ctx, record := Record(t.Context())
	if got := record.Seal(); got != nil {
		t.Error("of nothing:", got)
	}
	ctx, record = Record(ctx)
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, c := range []*lasting{first, second, third} {
		Note(child, c)
	}
	third.meter.End()
	if got := record.Seal(); got != second {
		t.Error("not the second")
	}
	Note(child, late)
	if got := record.Seal(); got != nil {
		t.Error("a sealed record goes on with", got)
	}
}

func TestAMeterKeepsDeadlinesApart(t *testing.T) {
	t.Parallel()
	var m Meter
	first, second := time.Unix(10, 0), time.Unix(20, 0)
	m.SetDeadlines(&first, nil)
	m.SetDeadlines(nil, &second)
	if read, write := m.Deadlines(); read != first || write != second {
		t.Errorf("%v, %v", read, write)
	}
	m.Fault()
	m.Wrote(3)
	m.Wrote(-1)
	if m.Faults() != 1 || m.Written() != 3 {
		t.Errorf("%d faults, %d bytes", m.Faults(), m.Written())
	}
}
