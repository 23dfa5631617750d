// Package trialtest holds what the tests of all clients have in common.
package trialtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial"
	"example.com/hale/sockopt"
)

const (
	// Promise is within what time the connections of [Dialer] notice.
	Promise = 3 * time.Second

	// Longest is what a request may take: Promise, and a margin for the dial
	// and for a busy machine.
	Longest = Promise + 2*time.Second
)

// Options are of a trial that is no longer than a test may be.
var Options = trial.Options{
	Warm: 500 * time.Millisecond, Away: time.Second, Limit: 10 * time.Second,
	Workers: 3, Pause: 20 * time.Millisecond, Idle: Promise + time.Second,
}

// Dialer makes connections that notice within [Promise].
func Dialer() *hale.Dialer {
	return &hale.Dialer{KeepAlive: sockopt.Within(Promise), Strict: true}
}

// Serve starts a server, and closes it when the test ends. A program or a right
// that the machine lacks ends the test by [testnet.Missing].
func Serve(t testing.TB, start func(context.Context) (*service.Server, error)) *service.Server {
	t.Helper()
	testnet.NeedFreeze(t)
	s, err := start(t.Context())
	if errors.Is(err, service.ErrAbsent) {
		testnet.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("%s: close: %v", s.Name, err)
		}
	})
	return s
}

// Vanish makes the server vanish when it has nothing to send any more. Unlike a
// machine that is gone, a vanished server goes on sending what its program still
// has to say, which is a sign of life.
func Vanish(t testing.TB, s *service.Server) {
	t.Helper()
	time.Sleep(300 * time.Millisecond)
	if err := s.Vanish(); err != nil {
		t.Fatal(err)
	}
}

// KeepsThePromise puts the clients through a trial, each under load and idle,
// over connections of [Dialer], and fails the test for those that did not do
// as they should; see [trial.Result.Kept]. It returns what happened, under load
// and idle in turn for each client.
func KeepsThePromise(t *testing.T, s *service.Server, clients []trial.Client) []trial.Result {
	t.Helper()
	var ways []trial.Way
	for _, c := range clients {
		for _, load := range []trial.Load{trial.Busy, trial.Idle} {
			ways = append(ways, trial.Way{Client: c, Dial: Dialer().DialContext, Load: load})
		}
	}
	results, err := trial.Run(t.Context(), s, s.Addr, ways, Options)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		t.Logf("%s, %s: %d requests, longest stall %v, recovered after %v, errors %v",
			r.Client.Name, r.Load, r.Requests, r.Stall, r.Recovered, r.Errors)
		if err := r.Kept(Longest); err != nil {
			t.Errorf("%s, %s: %v", r.Client.Name, r.Load, err)
		}
		if r.Load == trial.Busy && r.Stall < time.Second {
			t.Errorf("%s: stalled for %v at most: nothing has vanished", r.Client.Name, r.Stall)
		}
	}
	return results
}
