//go:build !linux

package healthtest_test

import (
	"errors"
	"net"
	"testing"

	"example.com/hale/health/healthtest"
	"example.com/hale/internal/lab/testnet"
)

const roleEnv = "HEALTHTEST_ROLE"

func playRole(string) {}

func TestEverythingIsUnsupportedElsewhere(t *testing.T) {
	client, _ := testnet.Pair(t)
	if _, err := healthtest.Freeze(client); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Freeze: %v", err)
	}
	var l net.Listener = testnet.Listen(t)
	if _, err := healthtest.FreezeListener(l); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("FreezeListener: %v", err)
	}
	if err := healthtest.Isolate(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Isolate: %v", err)
	}
}
