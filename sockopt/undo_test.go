package sockopt_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/hale/sockopt"
)

func TestWhatAPlanLeavesAloneIsUndone(t *testing.T) {
	t.Parallel()
	stall := sockopt.KeepAlive{StallTimeout: 5 * time.Second}
	for _, test := range []struct {
		goos          string
		before, after sockopt.KeepAlive
		unwatched     bool
		want          string
	}{
		{"linux", stall, sockopt.KeepAlive{}, false, "[setsockopt(IPPROTO_TCP 6, TCP_USER_TIMEOUT 18, 0 ms)]"},
		{"linux", sockopt.KeepAlive{}, sockopt.Within(24 * time.Hour), false, "[setsockopt(IPPROTO_TCP 6, TCP_RTO_MAX_MS 44, 120000 ms)]"},
		{"linux", stall, sockopt.KeepAlive{StallTimeout: time.Minute}, false, "[]"},
		{"linux", stall, sockopt.KeepAlive{}, true, "[]"}, // it has a user timeout
		{"linux", sockopt.KeepAlive{}, sockopt.Within(time.Minute), false, "[]"},
		{"freebsd", stall, sockopt.KeepAlive{}, false, "[setsockopt(IPPROTO_TCP 6, TCP_MAXUNACKTIME 0x44, 0 s)]"},
		{"darwin", stall, sockopt.KeepAlive{}, false, "[]"},
		{"js", stall, sockopt.KeepAlive{}, false, "[]"},
	} {
		p := sockopt.Platform{GOOS: test.goos, Major: 99}
		plan := func(k sockopt.KeepAlive) sockopt.Plan {
			method := p.Plan
			if test.unwatched {
				method = p.PlanUnwatched
			}
			made, err := method(k)
			if err != nil {
				t.Fatal(err)
			}
			return made
		}
		before := sockopt.Report{Effective: plan(test.before).Effective}
		if got := fmt.Sprint(plan(test.after).Undo(before).Ops); got != test.want {
			t.Errorf("%s, %v after %v: %s, want %s", test.goos, test.after, test.before, got, test.want)
		}
	}
}
