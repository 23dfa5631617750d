package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	grpchale "example.com/hale/examples/clients/grpc"
	httphale "example.com/hale/examples/clients/http"
	natshale "example.com/hale/examples/clients/nats"
	rpchale "example.com/hale/examples/clients/rpc"
	"example.com/hale/health"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// inProcess are the servers that need no program.
var inProcess = []server{
	{httphale.Server, httphale.Clients},
	{grpchale.Server, grpchale.Clients},
	{natshale.Server, natshale.Clients},
	{rpchale.Server, rpchale.Clients},
}

// absent is a server whose program is missing.
var absent = server{
	start: func(context.Context) (*service.Server, error) {
		return nil, fmt.Errorf("%w: oracled", service.ErrAbsent)
	},
	clients: func() []trial.Client { return nil },
}

func short(t *testing.T, args ...string) options {
	t.Helper()
	o, err := parse(append([]string{"-promise", "3s", "-away", "1s", "-limit", "8s", "-workers", "2"}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// margin is for the dial and for a busy machine.
const margin = 2 * time.Second

func TestHaleKeepsItsPromiseWhereTheDefaultDialersHang(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	o := short(t, "-json")
	var out, notes strings.Builder
	if err := run(t.Context(), o, append(slices.Clone(inProcess), absent), &out, &notes); err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	if !strings.Contains(notes.String(), "skipped") || !strings.Contains(notes.String(), "oracled") {
		t.Errorf("what was skipped is not named: %q", &notes)
	}
	var got record
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Promise != 3 || got.Away != 1 || got.Limit != 8 || got.Workers != 2 || len(got.Skipped) != 1 {
		t.Errorf("parameters: %+v", got)
	}
	want := 0
	for _, s := range inProcess {
		want += len(s.clients())
	}
	if len(got.Clients) != want {
		t.Fatalf("%d clients, want %d", len(got.Clients), want)
	}
	hung := 0
	for _, c := range got.Clients {
		hung += c.Busy.Own.Hung
		for load, r := range map[string]resultRecord{"busy": c.Busy.Hale, "idle": c.Idle.Hale} {
			if r.Hung > 0 || r.LongestStall > (o.promise+margin).Seconds() || r.Requests == 0 || r.Recovered == nil {
				t.Errorf("%s, %s: not kept by hale: %+v", c.Client, load, r)
			}
			if len(r.Errors) > 0 != (r.Noticed != nil) || (r.Saw == "none") != (len(r.Errors) == 0) || strings.Contains(r.Saw, `"`) {
				t.Errorf("%s, %s: errors that name no cause: %+v", c.Client, load, r)
			}
		}
	}
	if hung == 0 {
		t.Error("nothing hung by a default dialer: nothing has vanished")
	}
}

func TestServersThatCannotBeStartedOrFrozenEndIt(t *testing.T) {
	t.Parallel()
	failing := func(err error) []server {
		return []server{{
			start:   func(context.Context) (*service.Server, error) { return nil, err },
			clients: func() []trial.Client { return nil },
		}}
	}
	broken := errors.New("broken")
	for err, want := range map[error]int{
		broken:                exitFailed,
		os.ErrPermission:      exitCannot,
		errors.ErrUnsupported: exitCannot,
	} {
		got := run(t.Context(), short(t), failing(fmt.Errorf("start: %w", err)), io.Discard, io.Discard)
		if status(got) != want || !errors.Is(got, err) {
			t.Errorf("%v: %v, status %d", err, got, status(got))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, short(t), failing(context.Canceled), io.Discard, io.Discard); status(err) != exitInterrupted {
		t.Error(err)
	}
}

var (
	dead = &health.DeadError{Cause: health.SendTimeout, Op: "read", Err: syscall.ETIMEDOUT}
	late = &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
)

func TestTheTableIsMarkdown(t *testing.T) {
	t.Parallel()
	hung := trial.Result{Stall: 9 * time.Second, Hung: 2}
	rows := []row{{
		server: "a", client: "client of a",
		busy: pair{own: hung, hale: trial.Result{Stall: 2430 * time.Millisecond, Errors: []error{dead, dead}}},
		idle: pair{own: hung, hale: trial.Result{Stall: 12 * time.Millisecond}},
	}}
	var out strings.Builder
	if err := printTable(&out, short(t), rows); err != nil {
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
		if got := saw(trial.Result{Errors: c.errs}); got != c.want {
			t.Errorf("%v: got %s, want %s", c.errs, got, c.want)
		}
	}
	if got := saw(trial.Result{Errors: []error{dead}, Hung: 1}); got != "send_timeout, hung" {
		t.Error(got)
	}
}

func TestClientsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range servers {
		for _, c := range s.clients() {
			if c.Name == "" || seen[c.Name] || strings.Contains(c.Name, "|") {
				t.Errorf("a client named %q", c.Name)
			}
			seen[c.Name] = true
		}
	}
}

func TestBadUsageIsOneLine(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-promise", "1s"},
		{"-promise", "soon"},
		{"-away", "0s"},
		{"-away", "30s"},
		{"-limit", "6s"},
		{"-workers", "0"},
		{"-nonsense"},
		{"all"},
	} {
		_, err := parse(args, io.Discard)
		if status(err) != exitUsage || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, status %d", args, err, status(err))
		}
	}
}

func TestHelpExplainsFlagsColumnsAndStatuses(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	_, err := parse([]string{"-help"}, &out)
	if !errors.Is(err, flag.ErrHelp) || status(err) != exitShown {
		t.Error(err)
	}
	for _, word := range []string{"-promise", "-away", "-limit", "-workers", "-json", "130", "busy", "idle", "hung"} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("no word of %s:\n%s", word, &out)
		}
	}
}
