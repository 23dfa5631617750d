package main

import (
	"example.com/hale/internal/lab/program"
	"example.com/hale/sockopt"
)

// record is the JSON form of a result. Times are in seconds.
type record struct {
	Scenario  string `json:"scenario"`
	Asked     values `json:"asked"`
	Effective values `json:"effective"`

	// Null if nothing is to be noticed, and if nothing was.
	PredictedMin *float64 `json:"predicted_min_s"`
	PredictedMax *float64 `json:"predicted_max_s"`
	Detected     *float64 `json:"detected_after_s"`

	Suspect   *float64 `json:"suspect_after_s"`   // null if never, and if the peer has answered after all
	Heartbeat *float64 `json:"heartbeat_after_s"` // null where none looks, and if it has found nothing

	Cause   string `json:"cause"` // empty if nothing was noticed
	Errno   string `json:"errno"` // empty if there was none, as with EOF
	Timeout bool   `json:"timeout"`
	Within  bool   `json:"within_prediction"`
}

// values has null where the system's own value stands.
type values struct {
	Idle         *float64 `json:"idle_s"`
	Interval     *float64 `json:"interval_s"`
	Count        *int     `json:"count"`
	UserTimeout  *float64 `json:"user_timeout_s"`
	StallTimeout *float64 `json:"stall_timeout_s"`
	Pace         *float64 `json:"pace_s"`
}

func records(results []result) []record {
	var list []record
	for _, r := range results {
		list = append(list, r.record())
	}
	return list
}

func (r result) record() record {
	rec := record{
		Scenario:  r.name,
		Asked:     newValues(r.report.Asked),
		Effective: newValues(r.report.Effective),
		Suspect:   program.Seconds(r.suspect),
		Heartbeat: program.Seconds(r.beaten),
		Cause:     r.hale.Cause(),
		Errno:     r.hale.Errno(),
		Timeout:   r.hale.Timeout(),
		Within:    r.holds(),
	}
	if !r.expected.never {
		rec.PredictedMin, rec.PredictedMax = program.Seconds(r.expected.min), program.Seconds(r.expected.max)
	}
	if r.hale.Noticed() {
		rec.Detected = program.Seconds(r.hale.After)
	}
	return rec
}

func newValues(k sockopt.KeepAlive) values {
	return values{program.Seconds(k.Idle), program.Seconds(k.Interval), program.OrNull(k.Count),
		program.Seconds(k.UserTimeout), program.Seconds(k.StallTimeout), program.Seconds(k.Pace)}
}
