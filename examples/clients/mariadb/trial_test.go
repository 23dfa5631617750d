package mariadb

import (
	"testing"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial"
	"example.com/hale/internal/lab/trial/trialtest"
)

func TestAServerThatVanishesIsNoticedInTime(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.MariaDB)
	for _, r := range trialtest.KeepsThePromise(t, s, Clients()) {
		if r.Load == trial.Idle && len(r.Errors) > 0 {
			t.Errorf("its user saw the death of an idle connection: %v", r.Errors)
		}
	}
}
