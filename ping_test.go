package hale

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
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
	for name, send := range map[string]string{"idle": "", "in flight": "a request"} {
		for who, k := range map[string]sockopt.KeepAlive{"the kernel": quick, "the watch": sockopt.Within(3 * time.Second)} {
			t.Run(name+", by "+who, func(t *testing.T) {
				t.Parallel()
				client, server := connect(t, &Dialer{KeepAlive: k})
				testnet.Freeze(t, server)
				if _, err := io.WriteString(client, send); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if _, err := client.Ping(ctx); asDead(t, err) != client.Err() {
					t.Error(err)
				}
			})
		}
	}
}
