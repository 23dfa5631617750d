package postgres

import (
	"testing"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial"
	"example.com/hale/internal/lab/trial/trialtest"
)

func TestAServerThatVanishesIsNoticedInTime(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Postgres)
	for _, r := range trialtest.KeepsThePromise(t, s, Clients()) {
		// A single connection is the user's to open again; a pool is not to
		// show an idle death to anybody.
		if r.Client.Name != "pgx" && r.Load == trial.Idle && len(r.Errors) > 0 {
			t.Errorf("%s: its user saw the death of an idle connection: %v", r.Client.Name, r.Errors)
		}
	}
}
