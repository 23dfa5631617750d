//go:build !plan9

package health

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

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
