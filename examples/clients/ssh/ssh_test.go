package sshhale

import (
	"context"
	"errors"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial/trialtest"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestEveryClientKeepsThePromise(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	for _, r := range trialtest.KeepsThePromise(t, s, Clients()) {
		for _, err := range r.Errors {
			if health.Classify(err) == health.Unknown {
				t.Errorf("%s: the cause is not underneath %v", r.Client.Name, err)
			}
		}
	}
}

func TestCommandsShareALogin(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	p, err := NewPool(s.Addr, clientConfig, trialtest.Dialer().DialContext, maxConns)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 20 {
		if out, err := Output(ctx, p, "hello"); err != nil || string(out) != "hello" {
			t.Fatalf("%q, %v", out, err)
		}
	}
	if n := p.Stats().Dials; n != 1 {
		t.Errorf("%d dials", n)
	}
	c, err := p.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(ctx, c.Value()); err != nil {
		t.Errorf("a heartbeat: %v", err)
	}
	c.Release()

	if err := s.Vanish(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := Output(short, p, "nobody hears this"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
}
