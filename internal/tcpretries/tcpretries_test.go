package tcpretries

import (
	"testing"
	"time"
)

// Measured on Linux 6.18: 15.0 s with a pace of one second; the default is
// tcp(7)'s "924.6 seconds".
func TestTheKernelGivesUpAsMeasured(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pace    time.Duration
		retries int
		want    time.Duration
	}{
		{120 * time.Second, 15, 924600 * time.Millisecond},
		{time.Second, 15, 14400 * time.Millisecond},
		{time.Second, 8, 7400 * time.Millisecond},
		{120 * time.Second, 1, 600 * time.Millisecond},
	} {
		if got := GiveUp(test.pace, test.retries); got != test.want {
			t.Errorf("%v, %d: %v, want %v", test.pace, test.retries, got, test.want)
		}
	}
}
