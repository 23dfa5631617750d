package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// book is what a server under test has recorded.
type book struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// ran returns the requests that were run, in order.
func (b *book) ran() (numbers []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range slices.Chunk(b.b.Bytes(), recordSize) {
		if record(binary.BigEndian.Uint64(r)) == ran {
			numbers = append(numbers, binary.BigEndian.Uint64(r[8:]))
		}
	}
	return numbers
}

func serveHere(t *testing.T) (*server, *book) {
	t.Helper()
	records := new(book)
	s, err := newServer("127.0.0.1:0", records)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s, records
}

func connect(t *testing.T, s *server) *session {
	t.Helper()
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	client := &session{conn: c}
	if err := client.exchange(soon(), frame{number: ping}); err != nil {
		t.Fatal(err)
	}
	return client
}

func soon() time.Time { return time.Now().Add(10 * time.Second) }

func obey(t *testing.T, s *server, o order) {
	t.Helper()
	if n, err := s.obey(o); err != nil || n != 1 {
		t.Fatalf("%+v: %d connections, %v", o, n, err)
	}
}

// waitRan waits until the server has run n requests.
func waitRan(t *testing.T, b *book, n int) {
	t.Helper()
	for end := soon(); len(b.ran()) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("ran %v, want %d", b.ran(), n)
		}
	}
}

func TestAFrozenServerRunsNothingUntilTheThaw(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	s, records := serveHere(t)
	c := connect(t, s)
	obey(t, s, order{Do: doFreeze})
	if err := c.exchange(time.Now().Add(300*time.Millisecond), frame{number: 1}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with a frozen server: %v", err)
	}
	d := net.Dialer{Timeout: 100 * time.Millisecond}
	if late, err := d.Dial("tcp", s.listener.Addr().String()); err == nil {
		late.Close()
		t.Error("a frozen server accepts connections")
	}
	if got := records.ran(); len(got) > 0 {
		t.Errorf("ran %v", got)
	}
	obey(t, s, order{Do: doThaw})
	waitRan(t, records, 1)
}

func TestASlowReaderGoesOn(t *testing.T) {
	t.Parallel()
	s, records := serveHere(t)
	c := connect(t, s)
	obey(t, s, order{Do: doSlow, Share: 1})
	if err := c.exchange(time.Now().Add(300*time.Millisecond), frame{number: 1, want: 8}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with a slow reader: %v", err)
	}
	if got := records.ran(); len(got) > 0 {
		t.Errorf("ran %v", got)
	}
	obey(t, s, order{Do: doGoOn})
	c.conn.SetDeadline(soon())
	if err := resync(t.Context(), c); err != nil {
		t.Error(err)
	}
	if err := c.exchange(soon(), frame{number: 2, size: 80_000, want: 80_000}); err != nil {
		t.Error(err)
	}
	if got := records.ran(); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("ran %v", got)
	}
}

func TestAHalfClosedConnectionIsReadOn(t *testing.T) {
	t.Parallel()
	s, records := serveHere(t)
	c := connect(t, s)
	obey(t, s, order{Do: doHalfClose, Share: 1})
	for n := range uint64(2) {
		if err := c.exchange(soon(), frame{number: n + 1}); err != io.EOF {
			t.Errorf("%d: %v", n, err)
		}
		c.owed = 0 // nothing will come
	}
	waitRan(t, records, 2)
	obey(t, s, order{Do: doDropHalf})
	for end := soon(); c.exchange(soon(), frame{number: 3}) == io.EOF; c.owed = 0 {
		if time.Now().After(end) {
			t.Fatal("it is not closed")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAResetIsOne(t *testing.T) {
	t.Parallel()
	s, _ := serveHere(t)
	c := connect(t, s)
	obey(t, s, order{Do: doReset, Share: 1})
	if err := c.exchange(soon(), frame{number: 1}); cause(err, false) != "reset" {
		t.Error(err)
	}
}

func TestAGarbledRequestIsRecordedAndNotRun(t *testing.T) {
	t.Parallel()
	s, records := serveHere(t)
	c := connect(t, s)
	var b bytes.Buffer
	if err := writeFrame(&b, frame{number: 9, size: 64}); err != nil {
		t.Fatal(err)
	}
	b.Bytes()[b.Len()-1]++
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	c.conn.SetDeadline(soon())
	if _, err := c.conn.Read(make([]byte, 1)); err == nil {
		t.Error("a reply")
	}
	records.mu.Lock()
	defer records.mu.Unlock()
	if got := records.b.Bytes(); len(got) != recordSize || record(binary.BigEndian.Uint64(got)) != garbled || binary.BigEndian.Uint64(got[8:]) != 9 {
		t.Errorf("recorded % x", got)
	}
}

func TestClosingAFrozenServerEndsIt(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	s, _ := serveHere(t)
	connect(t, s)
	obey(t, s, order{Do: doFreeze})
	s.close() // and again at the end of the test
}

func TestANameLeadsWhereItIsTold(t *testing.T) {
	t.Parallel()
	n, err := newNameServer("127.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	for _, want := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.2"} {
		n.lead(want)
		got, err := n.resolver().LookupHost(t.Context(), hostName)
		if err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
	if got, err := n.resolver().LookupHost(t.Context(), "another.test."); err == nil {
		t.Errorf("another name leads to %v", got)
	}
}
