package hale

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

func TestAStrictDialTakesAPathAndAGap(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		testnet.Missing(t, "Linux, whose options take all of it")
	}
	k := sockopt.Within(30 * time.Second)
	k.PathIdleTimeout, k.TolerateGap = 10*time.Second, 20*time.Second
	client, _ := connect(t, &Dialer{KeepAlive: k, Strict: true})
	r := client.Report()
	if r.Asked.PathIdleTimeout != k.PathIdleTimeout || r.Asked.TolerateGap != k.TolerateGap || r.Got.Idle != 4*time.Second || r.Asked.Within != k.Within {
		t.Errorf("asked %v, got %v", r.Asked, r.Got)
	}
	if l := limitsOf(r); l.Silence != k.Within-verdictReserve || l.Idle != 4*time.Second || !l.Ask {
		t.Errorf("limits %+v", l)
	}
}

func TestADialWithPromisesThatContradictLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	defer l.Close()
	for field, k := range map[string]sockopt.KeepAlive{
		"TolerateGap":     {Within: 30 * time.Second, TolerateGap: 28 * time.Second},
		"PathIdleTimeout": {PathIdleTimeout: time.Second},
		"Idle":            {Idle: 310 * time.Second, PathIdleTimeout: sockopt.PathIdleAWS},
	} {
		_, err := (&Dialer{KeepAlive: k}).Dial("tcp", l.Addr().String())
		re, ok := errors.AsType[*sockopt.RangeError](err)
		if _, op := errors.AsType[*net.OpError](err); !ok || !op || re.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	l.SetDeadline(time.Now().Add(50 * time.Millisecond)) // one in the past would not even look
	if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("somebody has dialled: %v", err)
	}
}
