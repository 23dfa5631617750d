package sockopt

import (
	"sort"
	"time"

	"example.com/hale/internal/tcpretries"
)

// The range of TCP_RTO_MAX_MS (net/ipv4/tcp.c), and what a pace is rounded up
// to.
const (
	minPace  = time.Second
	maxPace  = 120 * time.Second
	paceStep = 100 * time.Millisecond
)

// roundPace rounds a pace that was asked for up to what every kernel can hold,
// whatever the length of its tick (CONFIG_HZ), of which it keeps whole ones.
func roundPace(d time.Duration) time.Duration {
	if d <= 0 || d > Never-paceStep {
		return d
	}
	return ceilDiv(d, paceStep) * paceStep
}

// paceFor returns the least pace with which the kernel's last retransmission is
// not before the promise, so that it asks as long as the watch wants to hear,
// and -1 if there is none: any pace would then make the kernel give up earlier
// than it does by itself.
func paceFor(promise time.Duration, retries2 int) time.Duration {
	if promise <= 0 {
		return leaveAlone
	}
	// Up to RTOMin<<retries2 a longer pace makes the last asking later.
	longest := max(minPace, min(maxPace, tcpretries.RTOMin<<min(retries2, 16)))
	steps := int((longest-minPace)/paceStep) + 1
	n := sort.Search(steps, func(n int) bool {
		return lastAsking(minPace+time.Duration(n)*paceStep, retries2) >= promise
	})
	if n == steps {
		return leaveAlone
	}
	return minPace + time.Duration(n)*paceStep
}

// lastAsking is when the last retransmission leaves before the kernel gives up.
func lastAsking(pace time.Duration, retries2 int) time.Duration {
	return tcpretries.GiveUp(pace, retries2) - pace
}
