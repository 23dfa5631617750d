//go:build unix

package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func socketError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, err)}
}

func TestClassifyReadsTheCauseOutOfAnError(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want Cause
	}{
		{"nil", nil, Unknown},
		{"a deadline", socketError("read", os.ErrDeadlineExceeded), Unknown},
		{"a context's deadline", fmt.Errorf("query: %w", context.DeadlineExceeded), Unknown},
		{"a cancelled context", context.Canceled, Unknown},
		{"a stranger", errors.New("out of cheese"), Unknown},
		{"a refused dial", socketError("dial", syscall.ECONNREFUSED), Unknown},
		{"ETIMEDOUT on read", socketError("read", syscall.ETIMEDOUT), KeepAliveTimeout},
		{"ETIMEDOUT on write", socketError("write", syscall.ETIMEDOUT), SendTimeout},
		{"ETIMEDOUT on dial", socketError("dial", syscall.ETIMEDOUT), Unreachable},
		{"ETIMEDOUT bare", syscall.ETIMEDOUT, KeepAliveTimeout},
		{"ECONNRESET", socketError("read", syscall.ECONNRESET), Reset},
		{"EPIPE", socketError("write", syscall.EPIPE), PeerClosed},
		{"ENOTCONN, of MPTCP", socketError("read", syscall.ENOTCONN), KeepAliveTimeout},
		{"EHOSTUNREACH", socketError("read", syscall.EHOSTUNREACH), Unreachable},
		{"ENETUNREACH under TLS", fmt.Errorf("tls: %w", socketError("write", syscall.ENETUNREACH)), Unreachable},
		{"EOF", io.EOF, PeerClosed},
		{"EOF in the middle", fmt.Errorf("frame: %w", io.ErrUnexpectedEOF), Unknown},
		{"closed here", &net.OpError{Op: "read", Err: net.ErrClosed}, LocalClosed},
		{"aborted here", socketError("read", syscall.ECONNABORTED), Aborted},
		{"EPIPE of the socket", &net.OpError{Op: "watch", Err: os.NewSyscallError("getsockopt", syscall.EPIPE)}, Reset},
		{"a port unreachable", socketError("read", syscall.ECONNREFUSED), Unreachable},
		{"a protocol unreachable", socketError("write", syscall.ENOPROTOOPT), Unreachable},
		{"prohibited", fmt.Errorf("tls: %w", socketError("read", syscall.EACCES)), Unreachable},
		{"a refusal within a copy", &net.OpError{Op: "readfrom", Err: socketError("write", syscall.ECONNREFUSED)}, Unreachable},
		{"a dial refused within a write", &net.OpError{Op: "write", Err: socketError("dial", syscall.ECONNREFUSED)}, Unknown},
		{"an option that there is not", socketError("set", syscall.ENOPROTOOPT), Unknown},
		{"a refusal by whom is not said", syscall.ECONNREFUSED, Unknown},
		{"a verdict", fmt.Errorf("pool: %w", &DeadError{Cause: HeartbeatFailed, Err: os.ErrDeadlineExceeded}), HeartbeatFailed},
		{"a verdict over a kernel error", &DeadError{Cause: PeerStalled, Err: syscall.ETIMEDOUT}, PeerStalled},
		{"a TLS alert", tls.AlertError(40), Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Classify(test.err); got != test.want {
				t.Errorf("Classify(%v) = %v, want %v", test.err, got, test.want)
			}
		})
	}
}

func TestADeadlineIsNeverADeath(t *testing.T) {
	for _, err := range []error{os.ErrDeadlineExceeded, context.DeadlineExceeded, socketError("read", os.ErrDeadlineExceeded)} {
		if IsDead(err) {
			t.Errorf("IsDead(%v)", err)
		}
	}
	if !IsDead(socketError("read", syscall.ETIMEDOUT)) {
		t.Error("a keepalive timeout is no death")
	}
}

func TestEveryCauseHasAWordOfItsOwn(t *testing.T) {
	seen := map[string]Cause{}
	for c := range causes {
		word := c.String()
		if first, twice := seen[word]; twice || word == "" {
			t.Errorf("causes %d and %d are both %q", first, c, word)
		}
		seen[word] = c
		for _, r := range word {
			if r != '_' && (r < 'a' || r > 'z') {
				t.Errorf("%q is not snake_case", word)
			}
		}
	}
	if got := Cause(200).String(); got != "unknown" {
		t.Errorf("a cause from the future is %q", got)
	}
}

// The table is the kernel's behaviour as measured: what TCP_INFO still shows
// after each kind of death.
func TestThePostMortemTellsTheCausesApart(t *testing.T) {
	const uto = 4000
	for _, test := range []struct {
		name  string
		errno Cause // what the error alone says
		info  Info
		want  Cause
	}{
		{"keepalive", KeepAliveTimeout, Info{Probes: 3, SendWindow: 65536, SinceAck: millis(4016), SinceReceived: millis(4016), UserTimeout: millis(uto)}, KeepAliveTimeout},
		{"keepalive, seen by a writer", SendTimeout, Info{Probes: 3, SendWindow: 65536, SinceAck: millis(4016), SinceReceived: millis(4016)}, KeepAliveTimeout},
		{"retransmission", KeepAliveTimeout, Info{Retransmits: 5, SendWindow: 65536, SinceAck: millis(4440), SinceReceived: millis(4440), UserTimeout: millis(uto)}, SendTimeout},
		{"a write came during the probing", SendTimeout, Info{Probes: 2, Retransmits: 5, SendWindow: 65536, SinceAck: millis(8350), SinceReceived: millis(8350), UserTimeout: millis(uto)}, SendTimeout},
		{"zero window, peer silent", SendTimeout, Info{Probes: 4, Unsent: 4096, SinceAck: millis(4230), SinceReceived: millis(9000), UserTimeout: millis(uto)}, SendTimeout},
		{"zero window, peer answers", SendTimeout, Info{Probes: 1, Unsent: 4096, SinceAck: millis(900), SinceReceived: millis(9000), UserTimeout: millis(uto)}, PeerStalled},
		{"zero window, every probe answered, the last wait long", SendTimeout, Info{Unsent: 4096, SinceAck: millis(4100), SinceReceived: millis(9000), UserTimeout: millis(uto)}, PeerStalled},
		{"zero window shut over data in flight, peer silent", SendTimeout, Info{Unacked: 32741, Unsent: 4096, SinceAck: millis(4228), SinceReceived: millis(9000), UserTimeout: millis(uto)}, SendTimeout},
		{"zero window, peer answers, asked long after", SendTimeout, Info{Probes: 1, Unsent: 4096, SinceAck: millis(60000), SinceReceived: millis(90000), UserTimeout: millis(uto)}, PeerStalled},
		{"the route is gone", SendTimeout, Info{Probes: 4, Unsent: 4, SendWindow: 65536, SinceAck: millis(4230), SinceReceived: millis(4230), UserTimeout: millis(uto)}, Unreachable},
		{"no neighbour", Unreachable, Info{Retransmits: 4, SendWindow: 65536, SinceAck: millis(4020)}, Unreachable},
		{"reset", Reset, Info{SendWindow: 65536}, Reset},
		{"reset in answer to a probe", Reset, Info{Probes: 1, SendWindow: 65536, SinceAck: millis(2000)}, Reset},
		{"reset after retransmissions", Reset, Info{Retransmits: 3, SendWindow: 65536}, Reset},
		{"aborted", Aborted, Info{Probes: 1, SendWindow: 65536, SinceAck: millis(2000)}, Aborted},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.info.cause(test.errno); got != test.want {
				t.Errorf("%v, given %+v, is %v, want %v", test.errno, test.info, got, test.want)
			}
		})
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(uint16(syscall.ETIMEDOUT), uint8(0), "read")
	f.Add(uint16(syscall.EPIPE), uint8(1), "write")
	f.Add(uint16(0), uint8(2), "dial")
	f.Fuzz(func(t *testing.T, errno uint16, wrap uint8, op string) {
		var err error = syscall.Errno(errno)
		for i := range wrap % 4 {
			switch i % 3 {
			case 0:
				err = os.NewSyscallError(op, err)
			case 1:
				err = &net.OpError{Op: op, Net: "tcp", Err: err}
			case 2:
				err = fmt.Errorf("%s: %w", op, err)
			}
		}
		c := Classify(err)
		if c >= causes {
			t.Fatalf("Classify(%v) = %d", err, c)
		}
		if IsDead(err) != (c != Unknown) {
			t.Fatalf("IsDead(%v) = %v, cause %v", err, IsDead(err), c)
		}
		deadline := &net.OpError{Op: op, Err: errors.Join(os.ErrDeadlineExceeded, err)}
		if Classify(deadline) != Unknown {
			t.Fatalf("a deadline became %v", Classify(deadline))
		}
		dead := &DeadError{Cause: c, Err: err}
		if dead.Timeout() || dead.ErrorType() != c.String() {
			t.Fatalf("%+v: timeout %v, type %q", dead, dead.Timeout(), dead.ErrorType())
		}
	})
}
