package comparison

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/trial"
)

var options = Options{Promise: 3 * time.Second, Away: time.Second, Limit: 8 * time.Second, Workers: 2}

var (
	dead = &health.DeadError{Cause: health.SendTimeout, Op: "read", Err: syscall.ETIMEDOUT}
	late = &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
)

func TestTheTableIsMarkdown(t *testing.T) {
	t.Parallel()
	hung := trial.Result{Stall: 9 * time.Second, Hung: 2}
	rows := []Row{{
		server: "a", client: "client of a",
		busy: pair{own: hung, hale: trial.Result{Stall: 2430 * time.Millisecond, Errors: []error{dead, dead}}},
		idle: pair{own: hung, hale: trial.Result{Stall: 12 * time.Millisecond}},
	}}
	var out strings.Builder
	if err := PrintTable(&out, options, rows); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for _, line := range lines[:3] {
		if strings.Count(line, "|") != len(header)+1 {
			t.Errorf("%d columns, want %d: %s", strings.Count(line, "|")-1, len(header), line)
		}
	}
	if want := "| client of a | > 8 s | 2.4 s | > 8 s | 0.0 s | hung | busy: send_timeout; idle: none |"; lines[2] != want {
		t.Errorf("got  %s\nwant %s", lines[2], want)
	}
	if strings.Contains(lines[3], "|") || !strings.Contains(out.String(), "3s") {
		t.Errorf("the parameters do not follow:\n%s", &out)
	}
}

func TestErrorsAreShortenedToTheirCause(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		errs []error
		want string
	}{
		{nil, "none"},
		{[]error{late, late, dead}, "timeout, send_timeout"},
		{[]error{context.DeadlineExceeded}, "timeout"},
		{[]error{fmt.Errorf("rpc error: %v", dead)}, "send_timeout"},
		{[]error{errors.New("driver: bad | connection\n")}, `"bad / connection"`},
		{[]error{errors.New(strings.Repeat("ü", 50))}, `"` + strings.Repeat("ü", 39) + `…"`},
	} {
		if got := report(trial.Result{Errors: c.errs}); got != c.want {
			t.Errorf("%v: got %s, want %s", c.errs, got, c.want)
		}
	}
	if got := report(trial.Result{Errors: []error{dead}, Hung: 1}); got != "send_timeout, hung" {
		t.Error(got)
	}
}
