package herd

import (
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale/internal/pauses"
)

// A schedule is the pauses of one client.
type schedule struct {
	name  string
	begin func() backoff.BackOff
}

// schedules; hale's, which are those of the pool itself, come first.
var schedules = []schedule{
	{"hale", pauses.Default},
	{"hale without jitter", func() backoff.BackOff { return exponential(0) }},
	{"fixed, 1 s", func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) }},
	{"grpc", func() backoff.BackOff {
		// doc/connection-backoff.md of grpc: 1 s, times 1.6, at most 120 s, give or take a fifth.
		return &growing{next: time.Second, factor: 1.6, most: 120 * time.Second, jitter: 0.2}
	}},
	{"AWS, decorrelated", func() backoff.BackOff { return &decorrelated{last: shortest} }},
	{"AWS, full jitter", func() backoff.BackOff { return &full{next: shortest, most: longest} }},
	{"full jitter to 22.5 s", func() backoff.BackOff { return &full{next: shortest, most: 3 * longest / 2} }}, // as long as hale's
	{"hale, jitter 1", func() backoff.BackOff { return exponential(1) }},
	{"hale, jitter 0.2", func() backoff.BackOff { return exponential(0.2) }},
}

// The shortest and the longest pause of those that are not named with others.
const (
	shortest = 50 * time.Millisecond
	longest  = 15 * time.Second
)

// exponential is hale's with another jitter.
func exponential(jitter float64) backoff.BackOff {
	b := pauses.Default().(*backoff.ExponentialBackOff)
	b.RandomizationFactor = jitter
	return b
}

// growing is exponential with a jitter of a part, either way.
type growing struct {
	next   time.Duration
	factor float64
	most   time.Duration
	jitter float64
}

func (g *growing) Reset() {}
func (g *growing) NextBackOff() time.Duration {
	pause := time.Duration(float64(g.next) * (1 + g.jitter*(2*rand.Float64()-1)))
	g.next = min(g.most, time.Duration(float64(g.next)*g.factor))
	return pause
}

// decorrelated is "Exponential Backoff And Jitter" of the AWS Architecture Blog:
// between the shortest and three times the last.
type decorrelated struct{ last time.Duration }

func (d *decorrelated) Reset() {}
func (d *decorrelated) NextBackOff() time.Duration {
	d.last = min(longest, shortest+rand.N(3*d.last-shortest+1))
	return d.last
}

// full is the same article's full jitter: between zero and what doubles.
type full struct{ next, most time.Duration }

func (f *full) Reset() {}
func (f *full) NextBackOff() time.Duration {
	pause := rand.N(f.next + 1)
	f.next = min(f.most, 2*f.next)
	return pause
}
