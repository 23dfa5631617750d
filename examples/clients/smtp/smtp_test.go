package smtphale

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

func TestMailsShareASession(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	p, err := NewPool(s.Addr, trialtest.Dialer().DialContext, maxConns)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 20 {
		if err := Send(ctx, p, "a@example.com", "b@example.com", []byte("Subject: hello\r\n\r\nHello.\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Stats().Dials; n != 1 {
		t.Errorf("%d dials", n)
	}
	if err := s.Vanish(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := Send(short, p, "a@example.com", "b@example.com", nil); err == nil || short.Err() == nil {
		t.Errorf("%v, want an error when the context has ended (%v)", err, short.Err())
	} else if errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
