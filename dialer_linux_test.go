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

// What a listener hands down is not set again, and what it does not is.
func TestWhatIsAcceptedHoldsItsOptionsHoweverTheListenerWasMade(t *testing.T) {
	t.Parallel()
	multipath := new(net.ListenConfig)
	multipath.SetMultipathTCP(true)
	refuses := &net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		_, err := sockopt.Get(c)
		return err
	}}
	for name, test := range map[string]struct {
		nlc  *net.ListenConfig
		wrap bool
	}{"plain": {}, "multipath": {nlc: multipath}, "with a Control of its own": {nlc: refuses}, "wrapped": {wrap: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := sockopt.Within(20 * time.Second)
			lc := &ListenConfig{NetListenConfig: test.nlc, KeepAlive: k}
			l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if test.wrap {
				var inner net.Listener
				inner, err = net.Listen("tcp", "127.0.0.1:0")
				l = listenOver(t, inner, lc)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			peer, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			report := c.(*Conn).Report()
			if got, want := report.Got, held(t, k); got != want || report.Err() != nil {
				t.Errorf("%v, %v; want %v", got, report.Err(), want)
			}
		})
	}
}

func listenOver(t *testing.T, inner net.Listener, lc *ListenConfig) net.Listener {
	t.Helper()
	l, err := NewListener(inner, lc)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Not parallel: it has others' plans forgotten.
func TestAPlanIsMadeOnce(t *testing.T) {
	k := sockopt.Within(11 * time.Second)
	first, err := planFor(k, 15)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := planFor(k, 15)
	other, _ := planFor(k, 5)
	if first != again || first == other {
		t.Error("another plan for the same, or the same for another")
	}
	on := sockopt.Current()
	on.Retries2 = 5
	plan := on.Plan
	if !watchAsks {
		plan = on.PlanUnwatched
	}
	if want, err := plan(k); err != nil || other.plan.Asked != want.Asked {
		t.Errorf("%v, want %v (%v)", other.plan.Asked, want.Asked, err)
	}
	for i := range 3 * mostPlans {
		if _, err := planFor(sockopt.Within(time.Duration(i+100)*time.Second), 15); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(*plans.all.Load()); n > mostPlans {
		t.Errorf("%d are remembered", n)
	}
	if p, err := planFor(sockopt.Within(time.Second), 15); p != nil || err == nil {
		t.Errorf("%v, %v", p, err)
	}
}

func TestConnectionsOfWhichTheSameIsKnownShareIt(t *testing.T) {
	t.Parallel()
	d := &Dialer{KeepAlive: sockopt.Within(4321 * time.Second)}
	first, _ := connect(t, d)
	second, _ := connect(t, d)
	if first.known() != second.known() {
		t.Errorf("%v, %v", first.known(), second.known())
	}
}
