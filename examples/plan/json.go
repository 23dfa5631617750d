package main

import (
	"encoding/json"
	"io"
	"time"

	"example.com/hale/internal/lab/program"
	"example.com/hale/sockopt"
)

// document is the JSON form of a plan. Times are in seconds.
type document struct {
	GOOS        string      `json:"goos"`
	Version     [3]uint32   `json:"version"`
	Path        string      `json:"path"`
	Asked       values      `json:"asked"`
	Operations  []operation `json:"operations"`
	Effective   values      `json:"effective"`
	Window      interval    `json:"window"`
	Unsupported []string    `json:"unsupported"`
	Held        *held       `json:"held,omitempty"` // on this machine only
}

// values has null where the system's own value stands or is not readable.
type values struct {
	Enabled      bool     `json:"enabled"`
	Within       *float64 `json:"within_s,omitempty"` // only where it was asked for
	Idle         *float64 `json:"idle_s"`
	Interval     *float64 `json:"interval_s"`
	Count        *int     `json:"count"`
	UserTimeout  *float64 `json:"user_timeout_s"`
	StallTimeout *float64 `json:"stall_timeout_s"`
	Pace         *float64 `json:"pace_s"`
	PathIdle     *float64 `json:"path_idle_timeout_s,omitempty"` // as within_s
	Gap          *float64 `json:"tolerate_gap_s,omitempty"`      // as within_s
}

// interval has null for what never happens or is not known.
type interval struct {
	Earliest *float64 `json:"earliest_s"`
	Latest   *float64 `json:"latest_s"`
}

type operation struct {
	Field       sockopt.Field `json:"field"`
	Call        string        `json:"call"`
	Level       string        `json:"level,omitempty"`
	LevelNumber int           `json:"level_number,omitempty"`
	Name        string        `json:"name"`
	Number      uint32        `json:"number"`
	Value       any           `json:"value"` // an integer, or the ioctl's three
	Unit        string        `json:"unit,omitempty"`
}

type held struct {
	Values   values   `json:"values"`
	Window   interval `json:"window"`
	Problems []string `json:"problems"`
}

func printJSON(out io.Writer, p sockopt.Plan, r *sockopt.Report) error {
	d := document{
		GOOS:        p.Platform.GOOS,
		Version:     [3]uint32{p.Platform.Major, p.Platform.Minor, p.Platform.Build},
		Path:        p.Path,
		Asked:       newValues(p.Asked),
		Operations:  []operation{}, // [] rather than null
		Effective:   newValues(p.Effective),
		Window:      newInterval(p.Window()),
		Unsupported: append([]string{}, p.Unsupported...),
	}
	for _, o := range p.Ops {
		d.Operations = append(d.Operations, newOperation(o))
	}
	if r != nil {
		d.Held = &held{Values: newValues(r.Got), Window: newInterval(r.Window()), Problems: problems(r)}
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(d)
}

func newValues(k sockopt.KeepAlive) values {
	v := values{Enabled: !k.Disabled, Idle: program.Seconds(k.Idle), Interval: program.Seconds(k.Interval),
		Count: program.OrNull(k.Count), UserTimeout: program.Seconds(k.UserTimeout),
		StallTimeout: program.Seconds(k.StallTimeout), Pace: program.Seconds(k.Pace)}
	if k.Within > 0 {
		v.Within = program.Seconds(k.Within)
	}
	if k.PathIdleTimeout > 0 {
		v.PathIdle = program.Seconds(k.PathIdleTimeout)
	}
	if k.TolerateGap > 0 {
		v.Gap = program.Seconds(k.TolerateGap)
	}
	return v
}

func newInterval(earliest, latest time.Duration) interval {
	if latest == 0 || latest == sockopt.Never {
		return interval{}
	}
	return interval{program.Seconds(earliest), program.Seconds(latest)}
}

func newOperation(o sockopt.Op) operation {
	op := operation{Field: o.Field, Call: o.Call, Level: o.Level, LevelNumber: o.LevelNumber,
		Name: o.Name, Number: o.Number, Value: o.Value}
	if o.Level == "" {
		op.Value = o.Words
	}
	switch o.Unit {
	case time.Second:
		op.Unit = "s"
	case time.Millisecond:
		op.Unit = "ms"
	}
	return op
}

func problems(r *sockopt.Report) []string {
	list := []string{}
	for _, o := range r.Options {
		if o.Err != nil {
			list = append(list, o.String())
		}
	}
	return list
}
