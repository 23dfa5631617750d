//go:build !plan9

package errno

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestANumberIsFoundUnderWhateverWrapsIt(t *testing.T) {
	t.Parallel()
	wrapped := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
	for err, want := range map[error]Kind{
		nil: None, errors.New("no number"): None, syscall.ETIMEDOUT: TimedOut, wrapped: TimedOut, syscall.ECONNRESET: Reset,
	} {
		if got := Of(err); got != want {
			t.Errorf("%v is %d, want %d", err, got, want)
		}
	}
}
