package rpchale

import (
	"context"
	"errors"
	"net/rpc"
	"sync"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial"
	"example.com/hale/internal/lab/trial/trialtest"
	"example.com/hale/pool"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func newPool(t *testing.T, address string) *pool.Pool[*rpc.Client] {
	t.Helper()
	p, err := NewPool(address, trialtest.Dialer().DialContext, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestEveryClientKeepsThePromise(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.NetRPC)
	for _, r := range trialtest.KeepsThePromise(t, s, Clients()) {
		if r.Load == trial.Idle && len(r.Errors) != 0 {
			t.Errorf("%s, idle: %v, but nothing was under way", r.Client.Name, r.Errors)
		}
		for _, err := range r.Errors {
			if health.Classify(err) == health.Unknown {
				t.Errorf("%s: the cause is not underneath %v", r.Client.Name, err)
			}
		}
	}
}

func TestCallsWorkUnchanged(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.NetRPC)
	p := newPool(t, s.Addr)
	for range 200 {
		if err := say(within(t, 10*time.Second), p, "hello"); err != nil {
			t.Fatal(err)
		}
	}
	// An error of the method is no fault of the connection.
	var failed rpc.ServerError
	if err := Call(within(t, 10*time.Second), p, "Echo.Shout", "", nil); !errors.As(err, &failed) {
		t.Error(err)
	}
	if stats := p.Stats(); stats.Dials != 1 || len(stats.Recycled) != 0 {
		t.Errorf("%d dials for calls one after the other, recycled %v", stats.Dials, stats.Recycled)
	}
}

func TestACallThatItsCallerLeavesEnds(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.NetRPC)
	p := newPool(t, s.Addr)
	if err := say(within(t, 10*time.Second), p, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := s.Vanish(); err != nil {
		t.Fatal(err)
	}
	err := say(within(t, 100*time.Millisecond), p, "nobody hears this")
	if !errors.Is(err, context.DeadlineExceeded) || health.Classify(err) != health.Unknown {
		t.Errorf("%v, want the context's error", err)
	}
}

func TestCallsUnderWayFailWithTheCauseAndIdempotentOnesDoNot(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.NetRPC)
	p := newPool(t, s.Addr)
	both := within(t, 10*time.Second)
	first, err1 := p.Acquire(both)
	second, err2 := p.Acquire(both)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	first.Release()
	second.Release()
	trialtest.Vanish(t, s)
	if err := s.Replace(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var calls sync.WaitGroup
	for _, ctx := range []context.Context{t.Context(), pool.Idempotent(t.Context())} {
		idempotent := ctx != t.Context()
		calls.Go(func() {
			err := say(ctx, p, "ping")
			t.Log(err)
			if idempotent != (err == nil) {
				t.Errorf("idempotent is %t: %v", idempotent, err)
			}
			if dead, ok := errors.AsType[*health.DeadError](err); err != nil && (!ok || !dead.Cause.Silent()) {
				t.Errorf("%v, want that the server was silent", err)
			}
		})
	}
	calls.Wait()
	if took := time.Since(start); took > trialtest.Longest {
		t.Errorf("took %v, promised %v", took, trialtest.Promise)
	}
}
