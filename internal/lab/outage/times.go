package outage

import (
	"time"

	"example.com/hale/internal/lab/program"
)

// Times say when an outage happens.
type Times struct {
	FreezeAfter time.Duration // from when the pool is full
	ThawAfter   time.Duration // from the freeze
	RunOn       time.Duration // from the end of the outage
}

// leastThawAfter lets the connections die first.
const leastThawAfter = 2500 * time.Millisecond

// Flags adds a flag for each of them.
func (t *Times) Flags(to *program.Flags) {
	to.DurationVar(&t.FreezeAfter, "freeze-after", time.Second, "`time` of load on a full pool before the server is frozen")
	to.DurationVar(&t.ThawAfter, "thaw-after", 4500*time.Millisecond, "`time` from there until it is thawed, at least 2.5s: the connections have to die first")
	to.DurationVar(&t.RunOn, "run-on", 500*time.Millisecond, "`time` of load after the pool has healed")
}

// Check finds what cannot be.
func (t *Times) Check() error {
	return program.AtLeast(
		program.Least{Flag: "freeze-after", Value: t.FreezeAfter},
		program.Least{Flag: "thaw-after", Value: t.ThawAfter, Least: leastThawAfter},
		program.Least{Flag: "run-on", Value: t.RunOn})
}
