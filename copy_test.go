//go:build !plan9

package hale

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"example.com/hale/health"
)

// modest is a destination that takes one byte and has enough.
type modest struct{ io.Writer }

func (modest) ReadFrom(r io.Reader) (int64, error) {
	n, err := r.Read(make([]byte, 1))
	return int64(n), err
}

func TestACopyThatStopsBeforeTheEndSaysNothingOfTheSource(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		copy func(dst, src *Conn) (int64, error)
		n    int64
	}{
		"io.CopyN of none":      {func(dst, src *Conn) (int64, error) { return io.CopyN(dst, src, 0) }, 0},
		"io.CopyN of fewer":     {func(dst, src *Conn) (int64, error) { return io.CopyN(dst, src, -1) }, 0},
		"io.CopyN of some":      {func(dst, src *Conn) (int64, error) { return io.CopyN(dst, src, 2) }, 2},
		"ReadFrom, limited":     {func(dst, src *Conn) (int64, error) { return dst.ReadFrom(&io.LimitedReader{R: src, N: -7}) }, 0},
		"io.Copy into enough":   {func(_, src *Conn) (int64, error) { return io.Copy(modest{}, src) }, 1},
		"io.CopyN into nothing": {func(_, src *Conn) (int64, error) { return io.CopyN(io.Discard, src, 2) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, srcPeer := connect(t, new(Dialer))
			dst, _ := connect(t, new(Dialer))
			bound(t, src, 10*time.Second)
			if _, err := srcPeer.Write([]byte("hi")); err != nil {
				t.Fatal(err)
			}
			n, err := test.copy(dst, src)
			if n != test.n || err != nil && err != io.EOF || src.Err() != nil || dst.Err() != nil {
				t.Errorf("copied %d, %v; source %v, destination %v", n, err, src.Err(), dst.Err())
			}
			if _, err := srcPeer.Write([]byte("!")); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(io.LimitReader(src, 3-n)); int64(len(rest)) != 3-n || err != nil {
				t.Errorf("then %q, %v", rest, err)
			}
		})
	}
}

func TestACopyToTheEndSaysThatThePeerHasClosed(t *testing.T) {
	t.Parallel()
	src, srcPeer := connect(t, new(Dialer))
	bound(t, src, 10*time.Second)
	srcPeer.Write([]byte("hi"))
	srcPeer.Close()
	var got bytes.Buffer
	if n, err := io.Copy(&got, src); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if dead := asDead(t, src.Err()); dead.Cause != health.PeerClosed {
		t.Error(dead)
	}
}

func TestACopyCountsOnItsDestination(t *testing.T) {
	t.Parallel()
	const text = "twenty bytes of text"
	for name, copy := range map[string]func(dst, src *Conn) (int64, error){
		"io.Copy":             func(dst, src *Conn) (int64, error) { return io.Copy(dst, src) },
		"WriteTo":             func(dst, src *Conn) (int64, error) { return src.WriteTo(dst) },
		"ReadFrom":            func(dst, src *Conn) (int64, error) { return dst.ReadFrom(src) },
		"io.CopyN":            func(dst, src *Conn) (int64, error) { return io.CopyN(dst, src, int64(len(text))) },
		"into what embeds it": func(dst, src *Conn) (int64, error) { return io.Copy(struct{ *Conn }{dst}, src) },
		"from a file": func(dst, src *Conn) (int64, error) {
			file, err := os.CreateTemp("", "hale") // wine 8 cannot remove a folder of t.TempDir's
			if err != nil {
				return 0, err
			}
			defer os.Remove(file.Name())
			defer file.Close()
			io.WriteString(file, text)
			file.Seek(0, io.SeekStart)
			return io.Copy(dst, file)
		},
		"from a plain reader": func(dst, src *Conn) (int64, error) { return io.Copy(dst, struct{ io.Reader }{src}) },
		"to a plain writer":   func(dst, src *Conn) (int64, error) { return io.Copy(struct{ io.Writer }{dst}, src) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, srcPeer := connect(t, new(Dialer))
			dst, _ := connect(t, new(Dialer))
			bound(t, src, 10*time.Second)
			io.WriteString(srcPeer, text)
			srcPeer.CloseWrite()
			n, err := copy(dst, src)
			if n != int64(len(text)) || err != nil {
				t.Errorf("copied %d, %v", n, err)
			}
			if got := dst.Meter().Written(); got != uint64(len(text)) || src.Meter().Written() != 0 {
				t.Errorf("written %d on the destination, %d on the source", got, src.Meter().Written())
			}
		})
	}
}

// The watch hangs a connection up before it has said why.
func TestACopyThatIsHungUpWaitsForTheReason(t *testing.T) {
	t.Parallel()
	c, _ := connect(t, new(Dialer))
	failed := make(chan error, 1)
	dead := c.end(func() *health.DeadError {
		c.TCPConn.CloseWrite()
		go func() {
			_, err := c.ReadFrom(strings.NewReader("late"))
			failed <- err
		}()
		select {
		case err := <-failed:
			failed <- err
		case <-time.After(100 * time.Millisecond): // in which one that does not wait is back
		}
		return c.described(health.DeadError{Cause: health.SendTimeout, Op: "watch", Err: os.ErrDeadlineExceeded})
	})
	if err := <-failed; err != error(dead) {
		t.Errorf("%v, want %v", err, dead)
	}
}

var errOwn = errors.New("an error of the reader's own")

// ownErrors are what a reader or writer that is no Conn may come with.
func ownErrors() map[string]error {
	return map[string]error{
		"plain":                 errOwn,
		"of another connection": &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: 1}, Addr: &net.TCPAddr{Port: 2}, Err: os.NewSyscallError("read", syscall.ECONNREFUSED)},
		"around a death":        fmt.Errorf("%w: %w", errOwn, &health.DeadError{Cause: health.Reset, Op: "read", Err: syscall.ECONNRESET}),
		"a deadline":            fmt.Errorf("body: %w", os.ErrDeadlineExceeded),
		"a truncated stream":    io.ErrUnexpectedEOF,
		"a bare deadline":       os.ErrDeadlineExceeded,
		"a bare close":          net.ErrClosed,
		"a bare number":         syscall.EPIPE,
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestACopyKeepsTheErrorOfItsOtherSide(t *testing.T) {
	t.Parallel()
	for name, own := range ownErrors() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, peer := connect(t, new(Dialer))
			bound(t, c, 10*time.Second)
			readFrom := func() error {
				_, err := c.ReadFrom(iotest.ErrReader(own))
				return err
			}
			if err := readFrom(); !errors.Is(err, own) || c.Err() != nil {
				t.Errorf("alive: %v, and the connection %v", err, c.Err())
			}
			io.WriteString(peer, "hi")
			if _, err := c.WriteTo(failingWriter{own}); !errors.Is(err, own) || c.Err() != nil {
				t.Errorf("alive, a writer: %v, and the connection %v", err, c.Err())
			}
			peer.SetLinger(0)
			peer.Close()
			select {
			case <-c.Done():
			case <-time.After(10 * time.Second):
				t.Fatal("nobody noticed the reset")
			}
			err := readFrom()
			if !errors.Is(err, own) || !errors.Is(err, c.Err()) {
				t.Errorf("dead: %v, want both %v and %v", err, own, c.Err())
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			c.Close()
			if err := readFrom(); !errors.Is(err, own) {
				t.Errorf("closed: %v", err)
			}
		})
	}
}

func TestWhoLimitsACopyHasItsConnBack(t *testing.T) {
	t.Parallel()
	src, peer := connect(t, new(Dialer))
	dst, _ := connect(t, new(Dialer))
	if _, err := peer.Write([]byte("12345")); err != nil {
		t.Fatal(err)
	}
	limited := &io.LimitedReader{R: src, N: 3}
	if n, err := dst.ReadFrom(limited); n != 3 || err != nil || limited.N != 0 || limited.R != io.Reader(src) {
		t.Errorf("%d, %v; %d left of %T", n, err, limited.N, limited.R)
	}
}
