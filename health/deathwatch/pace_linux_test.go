//go:build linux && !hale_sweep

package deathwatch

import (
	"testing"
	"time"
)

func TestThePaceFitsThePathTheSilenceAndTheKernelsOwnLimit(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	stalled := sample{pending: true, rtt: ms}
	for _, test := range []struct {
		name   string
		limits Limits
		sample sample
		want   time.Duration
	}{
		{"as promised", Limits{Pace: 2500 * ms, Silence: 30 * time.Second}, sample{rtt: ms}, 2500 * ms},
		{"a long path", Limits{Pace: time.Second, Silence: 5 * time.Second}, sample{rtt: 700 * ms}, 2 * time.Second},
		{"a shut window", Limits{Pace: 120 * time.Second, Silence: 60 * time.Second}, stalled, 10 * time.Second},
		{"a shut window at the promised pace", Limits{Pace: time.Second, Silence: 10 * time.Second}, stalled, time.Second},
		{"never below a second", Limits{Pace: 2 * time.Second, Silence: 3 * time.Second}, stalled, time.Second},
		{"a shut window without a promise", Limits{Pace: 120 * time.Second}, stalled, 120 * time.Second},
		{"a kernel that gives up after three", Limits{Pace: 120 * time.Second, Silence: 60 * time.Second, Retries: 3}, stalled, 20 * time.Second},
		{"a kernel that gives up after many", Limits{Pace: 120 * time.Second, Silence: 60 * time.Second, Retries: 15}, stalled, 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.limits.paceFor(test.sample); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
