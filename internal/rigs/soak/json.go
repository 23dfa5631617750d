package main

import (
	"io"

	"example.com/hale/internal/lab/program"
)

// result is the JSON form of a run. Times are in seconds.
type result struct {
	Seed     uint64  `json:"seed"`
	Lasted   float64 `json:"lasted_s"`
	Workers  int     `json:"workers"`
	Conns    int     `json:"connections"`
	Promise  float64 `json:"promise_s"`
	Deadline float64 `json:"deadline_s"` // of a request

	Requests      int            `json:"requests"`
	Replied       int            `json:"replied"`
	Failed        int            `json:"failed"`
	PoolRetries   int64          `json:"sent_again_by_pool"`
	WorkerRetries int            `json:"sent_again_by_worker"`
	Errors        map[string]int `json:"errors"` // of the failed, by cause
	Unexplained   []string       `json:"unexplained,omitempty"`

	Faults     map[kind]int     `json:"faults"`
	Deaths     map[string]int64 `json:"deaths"`   // of connections, by cause
	Recycled   map[string]int64 `json:"recycled"` // connections, by reason
	Dials      int64            `json:"dials"`
	DialErrors int64            `json:"dial_errors"`
	Outages    int64            `json:"outages"`
	OutageTime float64          `json:"outage_s"`

	Replies times   `json:"replies"`
	Stalls  times   `json:"stalls"`        // from a quarter of a second on
	Fine    float64 `json:"stall_fine_s"`  // the longest of a stall while the server was well
	FineMax float64 `json:"stall_limit_s"` // and what it may be
	Calm    float64 `json:"stall_calm_s"`  // the longest of a stall long after a server was mute
	CalmMax float64 `json:"stall_calm_limit_s"`

	Silence    float64 `json:"silence_s"` // the longest before a death by silence
	SilenceMax float64 `json:"silence_limit_s"`

	Growth   []sample              `json:"growth"` // at each quiet moment
	Held     bool                  `json:"held"`
	Findings map[checkName]finding `json:"findings"`
}

type times struct {
	Count   int     `json:"count"`
	P50     float64 `json:"p50_s"`
	P99     float64 `json:"p99_s"`
	Longest float64 `json:"longest_s"`
}

func timesOf(h *histogram) times {
	return times{h.count, h.quantile(0.5).Seconds(), h.quantile(0.99).Seconds(), h.longest.Seconds()}
}

func (s *soaking) printJSON(out io.Writer, bad error) error {
	c := s.tally.soFar()
	growth := append([]sample{s.before}, s.quiet...)
	if s.after.When != "" {
		growth = append(growth, s.after)
	}
	r := result{
		Seed: s.seed, Lasted: s.lasted.Seconds(), Workers: s.workers, Conns: s.conns(),
		Promise: s.within.Seconds(), Deadline: s.deadline().Seconds(),
		Requests: c.requests, Replied: c.replied, Failed: c.requests - c.replied,
		PoolRetries: s.stats.Retries, WorkerRetries: c.retried, Errors: c.errors, Unexplained: c.unexplained,
		Faults: s.faults, Deaths: make(map[string]int64), Recycled: make(map[string]int64),
		Dials: s.stats.Dials, DialErrors: s.stats.DialErrors,
		Outages: s.stats.Outages, OutageTime: s.stats.OutageTime.Seconds(),
		Replies: timesOf(&s.tally.replies), Stalls: timesOf(&s.tally.stalls),
		Fine: s.tally.fine.Seconds(), FineMax: s.patience().Seconds(),
		Calm: s.tally.calm.Seconds(), CalmMax: longestCalm.Seconds(),
		Silence: s.tally.silence.Seconds(), SilenceMax: s.longestSilence().Seconds(),
		Growth: growth, Held: bad == nil, Findings: s.findings.all(),
	}
	for cause, n := range s.stats.Deaths {
		r.Deaths[cause.String()] = n
	}
	for reason, n := range s.stats.Recycled {
		r.Recycled[string(reason)] = n
	}
	return program.PrintJSON(out, r)
}
