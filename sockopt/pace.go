package sockopt

import (
	"math/bits"
	"sort"
	"time"
)

// The range of TCP_RTO_MAX_MS (net/ipv4/tcp.c), and what a pace is rounded up
// to.
const (
	minPace  = time.Second
	maxPace  = 120 * time.Second
	paceStep = 100 * time.Millisecond
)

const (
	// rtoMin is the shortest pause between retransmissions (TCP_RTO_MIN).
	rtoMin = 200 * time.Millisecond

	defaultRetries2 = 15 // TCP_RETR2
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
	// Up to rtoMin<<retries2 a longer pace makes the last asking later.
	longest := max(minPace, min(maxPace, rtoMin<<min(retries2, 16)))
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
	return giveUp(pace, retries2) - pace
}

// giveUp is after what time of retransmitting in vain the kernel gives a
// connection up: tcp_model_timeout, whose pauses double from rtoMin up to the
// pace.
func giveUp(pace time.Duration, retries2 int) time.Duration {
	doublings := bits.Len64(uint64(pace/rtoMin)) - 1
	if retries2 <= doublings {
		return (2<<retries2 - 1) * rtoMin
	}
	return (2<<doublings-1)*rtoMin + time.Duration(retries2-doublings)*pace
}
