//go:build !plan9

package health

import (
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// hiding is a connection that hides the one under it.
type hiding struct{ hidden }

type hidden = net.Conn

// answering is a wrapper that answers for its socket by itself.
type answering struct {
	net.Conn
	socket syscall.Conn
}

func (c *answering) SyscallConn() (syscall.RawConn, error) { return c.socket.SyscallConn() }

func TestACheckWithoutASocketSaysWhatToDo(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	pipe, far := net.Pipe()
	defer pipe.Close()
	defer far.Close()
	for name, test := range map[string]struct {
		conn net.Conn
		of   string
	}{
		"a wrapper that hides it":      {&hiding{client}, "*health.hiding"},
		"one under another":            {&struct{ net.Conn }{&hiding{client}}, "*health.hiding"},
		"a connection that has none":   {pipe, "*net.pipe"},
		"a wrapper of nothing":         {&hiding{}, "*health.hiding"},
		"a wrapper that is no wrapper": {(*hiding)(nil), "*health.hiding"},
		"no connection":                {nil, "<nil>"},
	} {
		err := Check(test.conn)
		if !errors.Is(err, errors.ErrUnsupported) || IsDead(err) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []string{"health: ", "under " + test.of + ":", "NetConn() net.Conn"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
	}
}

func TestACheckLooksAtTheOutermostSocket(t *testing.T) {
	t.Parallel()
	near, _ := testnet.Pair(t)
	pipe, far := net.Pipe()
	defer pipe.Close()
	defer far.Close()
	closed, _ := testnet.Pair(t)
	closed.Close()
	if err := Check(&answering{pipe, near}); err != nil {
		t.Error("over a pipe:", err)
	}
	if err := Check(&answering{near, closed}); Classify(err) != LocalClosed {
		t.Error("over another socket:", err)
	}
}

func TestAnEmptyDatagramIsNoClose(t *testing.T) {
	t.Parallel()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("udp", l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := l.WriteTo(nil, c.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := Check(c); err != nil {
		t.Error(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("it was taken: %d, %v", n, err)
	}
	c.Close()
	if err := Check(c); Classify(err) != LocalClosed {
		t.Error("closed:", err)
	}
}

// A datagram to nobody draws an ICMP error, which says nothing of the next one.
// Nobody is at port 1: it is not one that the system hands out, and what was
// closed just now may still be open in a program that is being started.
func TestAnUnreachablePortIsNoDeathOfADatagramSocket(t *testing.T) {
	t.Parallel()
	c, err := net.Dial("udp", "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond)
	if err := Check(c); err != nil {
		t.Error(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); runtime.GOOS == "linux" && !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error("it was taken:", err)
	}
}

func TestTheEndOfAStreamThatIsNotTCPIsFound(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(near); err != nil {
		t.Error("alive:", err)
	}
	far.Close()
	// A process that another test has forked holds the socket, too, until it is another program.
	for start := time.Now(); Classify(Check(near)) != PeerClosed; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("closed by the peer:", Check(near))
		}
	}
}
