package hale

import (
	"context"
	"net"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

func TestAPromiseIsMadeForTheDialToo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		k    sockopt.KeepAlive
		want time.Duration
	}{
		"nothing asked":             {sockopt.KeepAlive{}, 30 * time.Second},
		"within":                    {sockopt.Within(10 * time.Second), 10 * time.Second},
		"within alone":              {sockopt.KeepAlive{Within: 10 * time.Second}, 10 * time.Second},
		"window":                    {sockopt.KeepAlive{Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2}, 20 * time.Second},
		"window, shorter timeout":   {sockopt.KeepAlive{Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2, UserTimeout: time.Second}, 20 * time.Second},
		"window, longer timeout":    {sockopt.KeepAlive{Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2, UserTimeout: time.Minute}, time.Minute},
		"window, stall timeout":     {sockopt.KeepAlive{Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2, StallTimeout: time.Hour}, 20 * time.Second},
		"window, timeout is theirs": {sockopt.KeepAlive{Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2, UserTimeout: -1}, 20 * time.Second},
		"window, rounded":           {sockopt.KeepAlive{Idle: 1, Interval: 1, Count: 1, UserTimeout: 1}, 2 * time.Second},
		"window is theirs":          {sockopt.KeepAlive{Idle: -1, UserTimeout: 7 * time.Second}, 7 * time.Second},
		"all is theirs":             {sockopt.KeepAlive{Idle: -1, Interval: -1, Count: -1, UserTimeout: -1}, 0},
		"off":                       {sockopt.KeepAlive{Disabled: true}, 0},
		"off, timeout":              {sockopt.KeepAlive{Disabled: true, UserTimeout: 7 * time.Second}, 7 * time.Second},
		"off, timeout is theirs":    {sockopt.KeepAlive{Disabled: true, UserTimeout: -1}, 0},
	} {
		plan, err := sockopt.Platform{GOOS: "linux"}.Plan(test.k)
		if got := promised(plan); err != nil || got != test.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, test.want)
		}
	}
}

func TestADialIsBoundedByThePromiseUnlessItHasALimit(t *testing.T) {
	t.Parallel()
	limited, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	const promise = 30 * time.Second
	soon := time.Now().Add(time.Minute)
	for name, test := range map[string]struct {
		ctx     context.Context
		nd      net.Dialer
		promise time.Duration
		want    time.Duration
		ours    bool
	}{
		"no limit":           {t.Context(), net.Dialer{}, promise, promise, true},
		"no promise":         {t.Context(), net.Dialer{}, 0, 0, false},
		"shorter timeout":    {t.Context(), net.Dialer{Timeout: time.Second}, promise, time.Second, false},
		"longer timeout":     {t.Context(), net.Dialer{Timeout: time.Hour}, promise, time.Hour, false},
		"deadline":           {t.Context(), net.Dialer{Deadline: soon}, promise, 0, false},
		"ctx":                {limited, net.Dialer{}, promise, 0, false},
		"ctx and timeout":    {limited, net.Dialer{Timeout: time.Second}, promise, time.Second, false},
		"none":               {t.Context(), net.Dialer{Timeout: -1}, promise, 0, false},
		"none, and ctx":      {limited, net.Dialer{Timeout: -1}, promise, 0, false},
		"none, and deadline": {t.Context(), net.Dialer{Timeout: -1, Deadline: soon}, promise, 0, false},
	} {
		nd := test.nd
		ours := boundDial(test.ctx, &nd, test.promise)
		if nd.Timeout != test.want || ours != test.ours || nd.Deadline != test.nd.Deadline {
			t.Errorf("%s: timeout %v, ours %v", name, nd.Timeout, ours)
		}
	}
}

func TestADialWithANegativeTimeoutIsMade(t *testing.T) {
	t.Parallel()
	connect(t, &Dialer{NetDialer: &net.Dialer{Timeout: -1}})
}

func TestADialOfAnotherNetworkWithANegativeTimeoutIsMade(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", t.TempDir()+"/socket")
	if err != nil {
		testnet.Missing(t, "unix sockets: "+err.Error())
	}
	defer l.Close()
	c, err := (&Dialer{NetDialer: &net.Dialer{Timeout: -1}}).Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
