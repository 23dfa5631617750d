package main

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAHistogramTellsQuantilesToAThirtieth(t *testing.T) {
	t.Parallel()
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty one has a median")
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0: time.Millisecond, 0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := h.quantile(q); got < want || got > want+want/30 {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if h.longest != time.Second || h.count != 1000 {
		t.Errorf("longest %v of %d", h.longest, h.count)
	}
}

func TestEveryDurationIsInABucketThatHoldsIt(t *testing.T) {
	t.Parallel()
	for d := time.Duration(1); d > 0 && d < 1<<61; d = d*5/4 + 1 {
		b := bucket(d)
		if most(b) < d || b > 0 && most(b-1) >= d {
			t.Errorf("%d is in bucket %d, up to %d, from %d", d, b, most(b), most(b-1))
		}
	}
}

func TestOnlyTheTimeInWhichAServerWasWellCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w downtime
		start := time.Now()
		second := func(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Second))) }
		for _, event := range []struct {
			at float64
			do func()
		}{
			{10, func() { w.fails(0, true) }},
			{12, func() { w.leads(1) }},       // away from the fault
			{15, func() { w.fails(1, true) }}, // and into the next
			{16, func() { w.fails(0, false) }},
			{18, func() { w.fails(1, false) }},
			{20, func() { w.rests(true) }},
			{21, func() { w.rests(false) }},
			{30, func() { w.fails(1, true) }}, // still
		} {
			time.Sleep(time.Until(second(event.at)))
			event.do()
		}
		for _, test := range []struct{ from, to, want float64 }{
			{0, 5, 5}, {0, 11, 10}, {9, 13, 1}, {10.5, 11.5, 0}, {10.5, 17, 3}, {11, 19.5, 3}, {19, 25, 4}, {29, 40, 1}, {31, 40, 0}, {0, 40, 10},
		} {
			if got := w.longestUp(span{second(test.from), second(test.to)}); got.Seconds() != test.want {
				t.Errorf("from %v to %v: %v s, want %v s", test.from, test.to, got.Seconds(), test.want)
			}
		}
	})
}

func TestAStallIsAFindingIfTheServerWasWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w downtime
		var f findings
		tally := tally{options: options{within: testWithin}, downtime: &w, history: new(history), findings: &f}
		tally.history.begins(freeze, 0) // see the next test for a calm time
		limit := tally.patience()
		start := time.Now()
		w.fails(0, true)
		time.Sleep(time.Minute)
		w.fails(0, false)
		time.Sleep(limit)
		tally.wait(span{start, time.Now()})
		tally.wait(span{start, start.Add(stallFrom - 1)}) // no stall
		if len(f.all()) > 0 || tally.stalls.count != 1 || tally.stalls.longest != time.Minute+limit || tally.fine != limit {
			t.Errorf("%+v, %d stalls, the longest %v, %v of it while the server was well", f.all(), tally.stalls.count, tally.stalls.longest, tally.fine)
		}
		time.Sleep(time.Nanosecond)
		tally.wait(span{start, time.Now()})
		if got := f.all()[checkStalls].Count; got != 1 {
			t.Errorf("%d findings", got)
		}
	})
}

func TestAStallIsAFindingMuchSoonerIfNoServerWasMute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f findings
		tally := tally{options: options{within: testWithin}, downtime: new(downtime), history: new(history), findings: &f}
		start := time.Now()
		tally.history.begins(stop, 1)
		time.Sleep(time.Second)
		tally.history.ends(stop, 1)
		over := time.Now()
		tally.history.begins(full, 0) // no excuse
		time.Sleep(tally.deadline() + tolerance + longestCalm)
		tally.wait(span{start, time.Now()})
		tally.wait(span{start, over.Add(longestCalm)})
		if len(f.all()) > 0 || tally.calm != longestCalm {
			t.Errorf("%+v, %v", f.all(), tally.calm)
		}
		time.Sleep(time.Nanosecond)
		tally.wait(span{start, time.Now()})
		onlyFinding(t, &f, checkStalls, "for 2.00 s of them no server had been mute for long")
	})
}

func TestGrowthIsAFinding(t *testing.T) {
	t.Parallel()
	before := sample{When: "before", Goroutines: 10, FDs: 20}
	for _, test := range []struct {
		now  sample
		want checkName
	}{
		{sample{Goroutines: 10, FDs: 20}, ""},
		{sample{Goroutines: 11, FDs: 20}, checkGoroutines},
		{sample{Goroutines: 10, FDs: 21}, checkFDs},
	} {
		var f findings
		f.compare(before, test.now)
		if all := f.all(); test.want == "" && len(all) > 0 || test.want != "" && all[test.want].Count != 1 {
			t.Errorf("%+v: %+v", test.now, all)
		}
	}
	for _, test := range []struct {
		heap []uint64
		want int
	}{
		{[]uint64{1 << 20}, 0},
		{[]uint64{1 << 20, 1<<20 + heapBound}, 0},
		{[]uint64{1 << 20, 1<<20 + heapBound + 1}, 1},
		{[]uint64{1 << 20, 50 << 20, 50 << 20}, 0}, // what grows at first only
		{[]uint64{1 << 20, 2 << 20, 50 << 20}, 1},
	} {
		var f findings
		var quiet []sample
		for _, h := range test.heap {
			quiet = append(quiet, sample{Heap: h})
		}
		f.compareHeap(quiet)
		if got := f.all()[checkHeap].Count; got != test.want {
			t.Errorf("heap %v: %d findings", test.heap, got)
		}
	}
}
