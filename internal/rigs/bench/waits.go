package bench

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// holds are what callers do with a connection: nothing, as in a checkout, or
// something for about 5 µs of a processor.
// Whoever only works leaves room: there are fewer processors than connections, and
// a queue is left only where one that began when a caller was interrupted is
// served in turn. Whoever talks to a peer gives the processor away meanwhile, and
// then all connections are held and there is always a queue.
var holds = []struct {
	name string
	hold func()
}{
	{"nothing", func() {}},
	{"works", func() { spin(); spin() }},
	{"yields", func() { spin(); runtime.Gosched(); spin() }},
}

// Waits measures how long callers wait for a connection if there are four for
// each and they do something with it: the middle of what they wait, and the worst
// of a hundred, of a thousand and of all.
func Waits(b *testing.B, rivals []Rival) {
	for _, r := range rivals {
		b.Run("pool="+r.Name, func(b *testing.B) {
			use := open(b, r, Conns)
			for _, h := range holds {
				b.Run("hold="+h.name, func(b *testing.B) { waits(b, use, h.hold) })
			}
		})
	}
}

func waits(b *testing.B, use Use, hold func()) {
	b.ResetTimer()
	waited, err := measureWaits(b.N, use, hold)
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	report(b, waited)
}

// measureWaits has many callers make n uses, and returns what each has waited.
func measureWaits(n int, use Use, hold func()) ([]time.Duration, error) {
	waited := make([]time.Duration, n)
	err := share(n, many, func() func(int) error {
		var start time.Time
		var wait time.Duration
		held := func() {
			wait = time.Since(start)
			hold()
		}
		return func(op int) error {
			start = time.Now()
			err := use(held)
			waited[op] = wait
			return err
		}
	})
	return waited, err
}

func report(b *testing.B, waited []time.Duration) {
	slices.Sort(waited)
	for _, q := range []struct {
		unit string
		part float64
	}{
		{"p50-ns", 0.5}, {"p99-ns", 0.99}, {"p99.9-ns", 0.999}, {"max-ns", 1},
	} {
		at := int(q.part * float64(len(waited)-1))
		b.ReportMetric(float64(waited[at]), q.unit)
	}
}
