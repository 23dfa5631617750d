package promise

import (
	"time"

	"example.com/hale/health"
)

// What the design needs beyond the budget. The askings that a verdict rests on
// have to be made, and each has to have the time of an answer.
const (
	// askings is how many have to be unanswered; of window probes one less
	// where the budget is below fewBelow.
	askings  = 4
	fewBelow = 4 * time.Second
	// looks is how late the watch may see what the kernel has asked.
	looks = time.Second
	// longPath is a round trip from which on the askings may take longer than a
	// short budget.
	longPath = 100 * time.Millisecond
	// minPace is what the kernel waits at least between two probes of a window
	// that is shut for long, and maxPace at most (TCP_RTO_MAX).
	minPace = time.Second
	maxPace = 120 * time.Second
)

// allowed is within what time the vanishing has to be noticed: the budget, or
// what the askings take by the kernel's timers, if that is longer. On a long path
// the last that the peer sent is heard half a round trip after it has vanished,
// and the silence begins then.
func (s *subject) allowed(st state) (time.Duration, error) {
	info, err := s.Info()
	if err != nil {
		return 0, err
	}
	answer := info.RTT + max(4*info.RTTVar, 200*time.Millisecond)
	pace := s.pace()
	if pace == 0 {
		pace = maxPace
	}
	var design time.Duration
	switch {
	case st.shut:
		design = s.windowProbes(pace)
	case info.RTT < longPath:
		return s.budget, nil
	case st.then != nil:
		design = s.written(st) + s.retransmissions(info, answer, pace)
	default:
		design = s.idleAskings(info, answer)
	}
	return max(s.budget, late(design)+answer+looks) + info.RTT/2, nil
}

// late is a wait as the kernel's timers make it.
func late(d time.Duration) time.Duration { return d + d/8 }

// idleAskings: the watch asks at the pace of the path.
func (s *subject) idleAskings(info health.Info, answer time.Duration) time.Duration {
	return s.Report().Got.Idle + (askings-1)*min(answer, 2*info.RTT)
}

func (s *subject) windowProbes(pace time.Duration) time.Duration {
	n := time.Duration(askings)
	if s.budget < fewBelow {
		n--
	}
	return n * max(pace, minPace)
}

// retransmissions: the segment, the kernel's tail loss probe, which is not
// counted, and three timeouts.
func (s *subject) retransmissions(info health.Info, answer, pace time.Duration) time.Duration {
	return 2*info.RTT + answer + min(2*answer, pace) + min(4*answer, pace)
}

// written is when the client writes into the silence.
func (s *subject) written(st state) time.Duration {
	return time.Duration(st.after * float64(s.budget))
}
