package sockopt_test

import (
	"net"
	"testing"
	"time"

	"example.com/hale/sockopt"
)

func TestTheKernelHoldsWhatPresetsComeTo(t *testing.T) {
	for _, test := range []struct {
		k              sockopt.KeepAlive
		idle, interval time.Duration
		watched, alone int
		userTimeout    time.Duration // alone
	}{
		{with(30*sec, 10*sec, 0), 7 * sec, sec, 19, 19, 26 * sec},
		{with(30*sec, 0, 20*sec), 4 * sec, sec, 37, 22, 26 * sec},
		{with(30*sec, sockopt.PathIdleAWS, 0), 13 * sec, 4 * sec, 8, 3, 25 * sec},
	} {
		c, _ := pair(t, net.Dialer{KeepAlive: -1, Control: sockopt.Control(test.k)}, plain())
		if got := get(t, c); got.Idle != test.idle || got.Interval != test.interval || got.Count != test.alone || got.UserTimeout != test.userTimeout {
			t.Errorf("%v by Control: %v", test.k, got)
		}
		c, _ = pair(t, net.Dialer{KeepAlive: -1}, plain())
		r := apply(t, c, test.k)
		if got := get(t, c); r.Err() != nil || got.Idle != test.idle || got.Interval != test.interval || got.Count != test.watched || got.UserTimeout != 0 {
			t.Errorf("%v by Apply: %v, %v", test.k, got, r.Err())
		}
		if r.Asked.PathIdleTimeout != test.k.PathIdleTimeout || r.Asked.TolerateGap != test.k.TolerateGap || r.Got.PathIdleTimeout != 0 || r.Got.TolerateGap != 0 {
			t.Errorf("asked %v, got %v", r.Asked, r.Got)
		}
	}
}
