//go:build linux && !hale_sweep

package hale

import (
	"io"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

func TestASampleTellsWhatHasPassedSinceTheOneBefore(t *testing.T) {
	t.Parallel()
	samples := make(chan SampledInfo, 100)
	client, server := connect(t, &Dialer{
		KeepAlive: sockopt.Within(2 * time.Second), // a look every half a second, or so
		Observer:  &Observer{Sampled: func(info SampledInfo) { samples <- info }},
	})
	const written = 1000
	for range 2 {
		if _, err := client.Write(make([]byte, written)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, make([]byte, written)); err != nil {
			t.Fatal(err)
		}
		for sent, acked := uint64(0), uint64(0); acked < written; {
			select {
			case s := <-samples:
				sent, acked = sent+s.Sent, acked+s.Acked
				if s.Conn != client || s.Info.RTT <= 0 || s.Retransmitted > s.Sent || sent > written {
					t.Fatalf("%+v", s)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%d sent and %d acknowledged is all", sent, acked)
			}
		}
	}
}

func TestAHookThatBlocksLeavesSamplesOutAndHoldsUpNothing(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	hold, entered := make(chan struct{}), make(chan struct{}, 1)
	client, server := connect(t, &Dialer{
		KeepAlive: sockopt.Within(2 * time.Second),
		Observer: &Observer{Sampled: func(SampledInfo) {
			if calls.Add(1) == 1 {
				entered <- struct{}{}
			}
			<-hold
		}},
	})
	<-entered
	testnet.Freeze(t, server) // which has it looked at ten times a second
	<-client.Done()
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
	close(hold)
	if dead := client.verdict.final(); dead == nil || dead.Promised != 2*time.Second {
		t.Errorf("%+v", dead)
	}
}

func TestADeathSaysWhatWasPromised(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		k    sockopt.KeepAlive
		want time.Duration
	}{
		{sockopt.KeepAlive{}, 30 * time.Second},
		{sockopt.Within(5 * time.Second), 5 * time.Second},
		{sockopt.KeepAlive{TolerateGap: 20 * time.Second}, 50 * time.Second},
		{sockopt.KeepAlive{Idle: 2 * time.Second, Interval: 3 * time.Second, Count: 2}, 9 * time.Second},
		{sockopt.KeepAlive{Disabled: true}, 0},
	} {
		client, server := connect(t, &Dialer{KeepAlive: test.k})
		reset(server)
		<-client.Done()
		if got := client.verdict.final().Promised; got != test.want {
			t.Errorf("%v: %v, want %v", test.k, got, test.want)
		}
	}
}
