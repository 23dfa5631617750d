//go:build linux && !hale_sweep

package deathwatch

import (
	"io"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

func TestWhatALookShowsIsToldToWhoAsksForIt(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	n, s := supervise(t, client, Limits{Silence: 2 * time.Second, Samples: true}) // a look every half a second
	bound(t, client, 20*time.Second)
	if _, err := client.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(server, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	want, err := health.Inspect(n.Socket())
	if err != nil {
		t.Fatal(err)
	}
	got := n.next(t, "sampled").info
	if got.RTT <= 0 || got.State != health.TCPEstablished || got.BytesSent != 1000 || got.BytesAcked != 1001 || got.BytesReceived != 10 || got.Unacked != 0 || got.RTO != want.RTO {
		t.Errorf("sample %+v, inspected %+v", got, want)
	}

	testnet.Freeze(t, server)
	if _, err := client.Write(make([]byte, 77)); err != nil {
		t.Fatal(err)
	}
	for got.Unacked == 0 { // a look may have come just before
		got = n.next(t, "sampled").info
	}
	if got.Unacked != 77 {
		t.Errorf("in flight: %d", got.Unacked)
	}
	s.Stop()
}

func TestWithoutSamplesNobodyIsToldOfALook(t *testing.T) {
	t.Parallel()
	client, _ := testnet.Pair(t)
	n, s := supervise(t, client, Limits{Idle: time.Second, Silence: time.Second})
	time.Sleep(600 * time.Millisecond) // two looks; there is nothing else to wait for
	s.Stop()
	n.empty(t)
}
