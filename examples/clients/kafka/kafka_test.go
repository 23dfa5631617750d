package kafkahale

import (
	"testing"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial/trialtest"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestEveryClientKeepsThePromise(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	for _, r := range trialtest.KeepsThePromise(t, s, Clients()) {
		if len(r.Errors) != 0 {
			t.Errorf("%s, %s: %v, but records are sent again", r.Client.Name, r.Load, r.Errors)
		}
	}
}
