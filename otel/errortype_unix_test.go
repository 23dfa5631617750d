//go:build unix

package otelhale

import (
	"os"
	"syscall"
	"testing"
)

func TestErrorTypesOfUnix(t *testing.T) {
	t.Parallel()
	for errno, want := range map[syscall.Errno]string{
		syscall.EHOSTUNREACH:  "unreachable",
		syscall.ENETUNREACH:   "unreachable",
		syscall.EADDRNOTAVAIL: "address_not_available",
		syscall.EMFILE:        "too_many_open_files",
		syscall.ENFILE:        "too_many_open_files",
		syscall.EACCES:        "permission_denied",
		syscall.EPERM:         "permission_denied",
	} {
		if got := errorType(os.NewSyscallError("connect", errno)); got != want {
			t.Errorf("%v is %q, want %q", errno, got, want)
		}
	}
}
