//go:build linux && !hale_sweep

package deathwatch

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

func TestAPingIsAnsweredByThePeersKernel(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t) // whose program does nothing
	timers{idle: 60, interval: 10, count: 3}.set(t, client)
	for range 3 { // the first just after the handshake
		start := time.Now()
		took, err := Ping(t.Context(), client)
		if err != nil || took > 500*time.Millisecond || time.Since(start) > 2*time.Second {
			t.Errorf("%v, %v, after %v", took, err, time.Since(start))
		}
		if idle := option(t, client, unix.TCP_KEEPIDLE); idle != 60 {
			t.Errorf("the idle time is %d s", idle)
		}
	}
	if info := inspect(t, client); info.BytesSent != 0 {
		t.Errorf("%d bytes were sent", info.BytesSent)
	}
}

func TestAPingOfAPeerThatIsGoneEndsWithItsContext(t *testing.T) {
	t.Parallel()
	client, _ := frozenPair(t, timers{idle: 60, interval: 10, count: 3})
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	if _, err := Ping(ctx, client); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestAPingOfAPeerThatResetsSaysSo(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	timers{idle: 60, interval: 10, count: 3}.set(t, client)
	time.AfterFunc(100*time.Millisecond, func() { reset(server) }) // within the second before it is asked
	_, err := Ping(t.Context(), client)
	if dead, ok := errors.AsType[*health.DeadError](err); !ok || dead.Cause != health.Reset {
		t.Error(err)
	}
}

func TestAPingWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	timers{idle: 60, interval: 10, count: 3}.set(t, client)
	thaw := testnet.Freeze(t, server)
	client.Write([]byte("x"))
	time.AfterFunc(time.Second, thaw)
	if took, err := Ping(t.Context(), client); err != nil || took > 3*time.Second {
		t.Error(took, err)
	}
}

func TestAPingSaysWhyItCannotAsk(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   func(t *testing.T, client, server *net.TCPConn)
		is   func(err error) bool
	}{
		{"keepalive is off", func(*testing.T, *net.TCPConn, *net.TCPConn) {}, func(err error) bool { return errors.Is(err, ErrNoKeepAlive) }},
		{"closed", func(_ *testing.T, client, _ *net.TCPConn) { client.Close() }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		{"reset", func(t *testing.T, client, server *net.TCPConn) {
			timers{idle: 60, interval: 10, count: 3}.set(t, client)
			reset(server)
			waitFor(t, client, func(i health.Info) bool { return i.State == health.TCPClose })
		}, health.IsDead},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			test.do(t, client, server)
			if took, err := Ping(t.Context(), client); !test.is(err) {
				t.Error(took, err)
			}
		})
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if _, err := Ping(t.Context(), near); !errors.Is(err, errors.ErrUnsupported) {
		t.Error("a pipe:", err)
	}
}

func TestPingsOfAWatchedConnectionLeaveItsOptions(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	timers{idle: 60, interval: 10, count: 3}.set(t, client)
	n, s := supervise(t, client, Limits{Idle: time.Minute, Silence: 80 * time.Second, Ask: true})
	for range 3 {
		done := make(chan error, 2)
		for range cap(done) {
			go func() {
				_, err := s.Ping(t.Context())
				done <- err
			}()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	waitOption(t, client, unix.TCP_KEEPIDLE, 60)
	waitOption(t, client, unix.TCP_KEEPCNT, 3)
	n.empty(t)
}

// A call that is under way has nothing to tell of a connection that is not over: to
// wait for it takes a processor for milliseconds, at each of many looks.
func TestAPingDoesNotWaitForCallsThatAreUnderWay(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	timers{idle: 60, interval: 10, count: 3}.set(t, client)
	n, s := supervise(t, client, Limits{Idle: time.Minute, Silence: 80 * time.Second, Ask: true})
	n.telling.Store(true)
	if _, err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if asked := n.asked.Load(); asked != 0 {
		t.Errorf("asked %d times whether a call is under way", asked)
	}
}

func TestAPingWhoseContextIsOverAsksNobody(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	timers{idle: 60, interval: 10, count: 3}.set(t, client)
	_, s := supervise(t, client, Limits{Idle: time.Minute, Silence: 80 * time.Second, Ask: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ping := range map[string]func(context.Context) (time.Duration, error){
		"watched": s.Ping, "plain": func(ctx context.Context) (time.Duration, error) { return Ping(ctx, client) },
	} {
		if _, err := ping(ctx); !errors.Is(err, context.Canceled) || s.wanted.Load() || option(t, client, unix.TCP_KEEPIDLE) != 60 {
			t.Error(name, err)
		}
	}
}

func TestAPeerIsHeardIfSomethingHasComeFromItWhateverTheClocksSay(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, test := range map[string]struct {
		before, after sign
		want          bool
	}{
		"nothing came":                         {sign{now, 7}, sign{now, 7}, false},
		"nothing came, and the ticks are late": {sign{now, 7}, sign{now.Add(time.Second), 7}, false},
		"an answer":                            {sign{now, 7}, sign{now.Add(time.Second), 8}, true},
		"an answer within a tick":              {sign{now, 7}, sign{now, 8}, true},
		"not counted, nothing came":            {sign{now, 0}, sign{now.Add(resolution), 0}, false},
		"not counted, an answer":               {sign{now, 0}, sign{now.Add(2 * resolution), 0}, true},
	} {
		if got := test.after.later(test.before); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
