package main

import (
	"fmt"
	"time"

	"example.com/hale"
	"example.com/hale/health"
)

// observer prints the early warnings, and keeps one that nothing has cleared
// up.
func (m *measurement) observer() *hale.Observer {
	return &hale.Observer{
		Suspect: func(s hale.SuspectInfo) {
			now := time.Now()
			m.line.Print(now, "suspect: %s, peer silent for %.2f s", unanswered(s.Info), s.Info.Silence().Seconds())
			m.suspected <- now // there is room: Recovered comes before the next
		},
		Recovered: func(hale.RecoveredInfo) {
			after(time.Time{}, m.suspected)
			m.line.Print(time.Now(), "recovered: the peer has answered")
		},
	}
}

func unanswered(i health.Info) string {
	switch i.Probes {
	case 0:
		return fmt.Sprintf("%d bytes unacknowledged", i.Unacked)
	case 1:
		return "1 probe unanswered"
	}
	return fmt.Sprintf("%d probes unanswered", i.Probes)
}

// after returns how long after start it happened; -1 if it has not.
func after(start time.Time, happened <-chan time.Time) time.Duration {
	select {
	case at := <-happened:
		return at.Sub(start)
	default:
		return -1
	}
}
