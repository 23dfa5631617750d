package natshale

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial"
	"example.com/hale/internal/lab/trial/trialtest"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, address string) *Client {
	t.Helper()
	c, err := Connect(address, trialtest.Dialer().DialContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestEveryClientKeepsThePromise(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
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

func TestRequestsWorkUnchanged(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	c := client(t, s.Addr)
	for _, text := range []string{"one", "two", "three"} {
		if err := exchange(within(t, 10*time.Second), c, text); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := exchange(ctx, c, "late"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error: the connection is well", err)
	}
	c.Close()
	if err := exchange(within(t, 10*time.Second), c, "closed"); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Error(err)
	}
}

// A *hale.Dialer is a nats.CustomDialer.
var _ nats.CustomDialer = trialtest.Dialer()

// A subscriber sends nothing; only keepalive can tell it that nothing will come.
func TestASubscriberIsToldAndReconnects(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	c := client(t, s.Addr)
	reconnected, lost := make(chan struct{}, 1), make(chan error, 1)
	c.SetReconnectHandler(func(*nats.Conn) { reconnected <- struct{}{} })
	told := c.DisconnectErrHandler()
	c.SetDisconnectErrHandler(func(nc *nats.Conn, err error) {
		told(nc, err)
		select {
		case lost <- err:
		default: // the end of the test
		}
	})
	news, err := c.SubscribeSync("news")
	if err == nil {
		err = c.FlushWithContext(within(t, 10*time.Second))
	}
	if err != nil {
		t.Fatal(err)
	}
	trialtest.Vanish(t, s)
	start := time.Now()
	select {
	case err := <-lost:
		t.Log(err)
		if dead, ok := errors.AsType[*health.DeadError](err); !ok || !dead.Cause.Silent() {
			t.Errorf("%v, want that the server was silent", err)
		}
		if took := time.Since(start); took > trialtest.Longest {
			t.Errorf("took %v, promised %v", took, trialtest.Promise)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nobody was told")
	}
	if err := s.Replace(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reconnected:
	case <-time.After(30 * time.Second):
		t.Fatal("not connected again")
	}
	if err := c.Publish("news", []byte("the subscription is back")); err != nil {
		t.Fatal(err)
	}
	if _, err := news.NextMsgWithContext(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
}
