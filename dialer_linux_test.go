package hale

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// Not parallel: it counts the descriptors of the whole process. MPTCP is what
// refuses an option here.
func TestStrictFailsWhereAnOptionIsRefused(t *testing.T) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k := sockopt.Within(30 * time.Second)
	k.StallTimeout = time.Minute
	nd := new(net.Dialer)
	nd.SetMultipathTCP(true)
	loose, err := (&Dialer{NetDialer: nd, KeepAlive: k}).Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer loose.Close()
	testnet.NeedLinux(t, 5, 16, "a word on Multipath TCP (MPTCP_INFO)")
	if mp, _ := loose.(*Conn).MultipathTCP(); !mp {
		testnet.Missing(t, "MPTCP")
	}
	refused := loose.(*Conn).Report().Err()
	if !errors.Is(refused, syscall.ENOPROTOOPT) || !strings.Contains(refused.Error(), "TCP_USER_TIMEOUT") {
		t.Errorf("the report says: %v", refused)
	}
	if got := loose.(*Conn).Report().Got.Idle; got != k.Idle {
		t.Errorf("the refused option took idle (%v) with it", got)
	}
	if !kernelNotifies {
		return // without the watch a user timeout is asked for
	}
	// The pace is refused as well, but nobody asked for it; a watch everybody does.
	if loose.(*Conn).Unwatched() == nil {
		t.Error("it is watched, it says")
	}
	_, err = (&Dialer{NetDialer: nd, KeepAlive: sockopt.Within(30 * time.Second), Strict: true}).Dial("tcp", l.Addr().String())
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "Multipath TCP") {
		t.Error("without a stall timeout:", err)
	}
	fds := openFiles(t)
	_, err = (&Dialer{NetDialer: nd, KeepAlive: k, Strict: true}).Dial("tcp", l.Addr().String())
	var op *net.OpError
	if !errors.Is(err, syscall.ENOPROTOOPT) || !errors.As(err, &op) || !strings.Contains(err.Error(), "TCP_USER_TIMEOUT") {
		t.Errorf("strict: %v", err)
	}
	if now := openFiles(t); now > fds {
		t.Errorf("%d descriptors before, %d after", fds, now)
	}
}
