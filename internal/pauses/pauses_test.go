package pauses_test

import (
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale/internal/pauses"
)

func TestPausesGrowToFifteenSecondsGiveOrTakeAHalf(t *testing.T) {
	t.Parallel()
	b := pauses.Default()
	nominal := 50 * time.Millisecond
	for n := range 100 {
		pause := b.NextBackOff()
		if pause == backoff.Stop || pause < nominal/2 || pause > nominal*3/2+time.Millisecond {
			t.Fatalf("pause %d is %v, of %v", n, pause, nominal)
		}
		nominal = min(nominal*3/2, 15*time.Second)
	}
}
