package hale

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

func TestAConnPingsItsPeer(t *testing.T) {
	t.Parallel()
	client, server := connect(t, &Dialer{})
	took, err := client.Ping(t.Context())
	if !kernelNotifies {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v, %v on %s", took, err, runtime.GOOS)
		}
		return
	}
	if err != nil || took > time.Second {
		t.Errorf("%v, %v", took, err)
	}
	reset(server)
	waitDone(t, client)
	if _, err := client.Ping(t.Context()); asDead(t, err) != client.Err() {
		t.Error(err)
	}
}

// Whoever waits for the answer of a peer that is gone is told by the death.
func TestAPingEndsWithTheDeathOfItsConn(t *testing.T) {
	t.Parallel()
	if !kernelNotifies {
		t.Skip("this system cannot ask") // nothing that a machine could have
	}
	client, server := connect(t, &Dialer{KeepAlive: quick})
	testnet.Freeze(t, server)
	if _, err := client.Ping(t.Context()); asDead(t, err) != client.Err() {
		t.Error(err)
	}
}
