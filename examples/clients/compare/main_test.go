package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	grpchale "example.com/hale/examples/clients/grpc"
	httphale "example.com/hale/examples/clients/http"
	natshale "example.com/hale/examples/clients/nats"
	rpchale "example.com/hale/examples/clients/rpc"
	"example.com/hale/internal/lab/comparison"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/program/programtest"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// inProcess are the servers that need no program.
var inProcess = []comparison.Server{
	{Start: httphale.Server, Clients: httphale.Clients},
	{Start: grpchale.Server, Clients: grpchale.Clients},
	{Start: natshale.Server, Clients: natshale.Clients},
	{Start: service.NetRPC, Clients: rpchale.Clients},
}

// absent is a server whose program is missing.
var absent = comparison.Server{
	Start: func(context.Context) (*service.Server, error) {
		return nil, fmt.Errorf("%w: oracled", service.ErrAbsent)
	},
	Clients: func() []trial.Client { return nil },
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
	var got comparison.Document
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Promise != 3 || got.Away != 1 || got.Limit != 8 || got.Workers != 2 || len(got.Skipped) != 1 {
		t.Errorf("parameters: %+v", got)
	}
	want := 0
	for _, s := range inProcess {
		want += len(s.Clients())
	}
	if len(got.Clients) != want {
		t.Fatalf("%d clients, want %d", len(got.Clients), want)
	}
	hung := 0
	for _, c := range got.Clients {
		hung += c.Busy.Own.Hung
		for load, r := range map[string]comparison.Result{"busy": c.Busy.Hale, "idle": c.Idle.Hale} {
			if r.Hung > 0 || r.LongestStall > (o.Promise+margin).Seconds() || r.Requests == 0 || r.Recovered == nil {
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
	failing := func(err error) []comparison.Server {
		return []comparison.Server{{
			Start:   func(context.Context) (*service.Server, error) { return nil, err },
			Clients: func() []trial.Client { return nil },
		}}
	}
	broken := errors.New("broken")
	for err, want := range map[error]int{
		broken:                program.Missed,
		os.ErrPermission:      program.Cannot,
		errors.ErrUnsupported: program.Cannot,
	} {
		got := run(t.Context(), short(t), failing(fmt.Errorf("start: %w", err)), io.Discard, io.Discard)
		if program.Status(got) != want || !errors.Is(got, err) {
			t.Errorf("%v: %v, status %d", err, got, program.Status(got))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, short(t), failing(context.Canceled), io.Discard, io.Discard); program.Status(err) != program.Interrupted {
		t.Error(err)
	}
}

func TestClientsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range servers {
		for _, c := range s.Clients() {
			if c.Name == "" || seen[c.Name] || strings.Contains(c.Name, "|") {
				t.Errorf("a client named %q", c.Name)
			}
			seen[c.Name] = true
		}
	}
}

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	programtest.BadUsage(t, parse,
		[2]string{"-promise 1s", "1s"},
		[2]string{"-promise soon", `invalid value "soon" for flag -promise`},
		[2]string{"-away 0s", "-away 0s: has to be positive"},
		[2]string{"-away 30s", "-limit 30s: has to be above -away"},
		[2]string{"-limit 6s", "-limit 6s: has to be above 6s, a second after -promise"},
		[2]string{"-workers 0", "-workers 0: below 1"},
		[2]string{"-nonsense", "flag provided but not defined: -nonsense"},
		[2]string{"all", `unexpected argument "all"`})
}

func TestHelpExplainsFlagsColumnsAndExitStatuses(t *testing.T) {
	t.Parallel()
	programtest.Help(t, parse, "-promise", "-away", "-limit", "-workers", "-json", "\n  busy ", "\n  idle ", "hung",
		"\n  1 ", "\n  3 ", "\n  130 ")
}
