package telemetry

import (
	"testing"

	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// Only what is sampled is exported, and an outage is.
func TestOnlyWhatIsSampledIsExported(t *testing.T) {
	t.Parallel()
	for i, setup := range setups {
		t.Run(setup.name, func(t *testing.T) {
			t.Parallel()
			s, err := begin(t.Context(), setup)
			if err != nil {
				t.Fatal(err)
			}
			o, err := s.outages(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if sampled := i == len(setups)-1; sampled != (o.spans > 0) || sampled != (o.exported > 100) || o.allocated == 0 {
				t.Errorf("%+v", o)
			}
			if err := s.close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
