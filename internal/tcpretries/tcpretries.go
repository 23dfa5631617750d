// Package tcpretries knows for how long Linux retransmits in vain.
package tcpretries

import (
	"math/bits"
	"time"
)

// RTOMin is the shortest pause between retransmissions (TCP_RTO_MIN).
const RTOMin = 200 * time.Millisecond

// Default is the kernel's own setting (TCP_RETR2).
const Default = 15

// GiveUp is after what time of retransmitting in vain the kernel gives a
// connection up that has no user timeout: tcp_model_timeout, whose pauses double
// from RTOMin up to the pace.
func GiveUp(pace time.Duration, retries2 int) time.Duration {
	doublings := bits.Len64(uint64(pace/RTOMin)) - 1
	if retries2 <= doublings {
		return (2<<retries2 - 1) * RTOMin
	}
	return (2<<doublings-1)*RTOMin + time.Duration(retries2-doublings)*pace
}
