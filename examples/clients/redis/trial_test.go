package redishale

import (
	"testing"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/trialtest"
)

func TestAServerThatVanishesIsNoticedInTime(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Redis)
	for _, r := range trialtest.KeepsThePromise(t, s, Clients()) {
		if r.Client.Name == "go-redis" && len(r.Errors) > 0 {
			t.Errorf("%s: go-redis sends commands again, and yet its user saw %v", r.Load, r.Errors)
		}
	}
}
