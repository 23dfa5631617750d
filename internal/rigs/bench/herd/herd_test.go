package herd

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) {
	Be()
	testnet.Main(m)
}

func every(d time.Duration) schedule {
	return schedule{"every", func() backoff.BackOff { return backoff.NewConstantBackOff(d) }}
}

// Ten clients that come each second, of whom three are admitted then, are back after
// four of their seconds.
func TestAServerAdmitsSoManyInAWindow(t *testing.T) {
	t.Parallel()
	w := world{down: 2500 * time.Millisecond, capacity: 3, horizon: time.Minute}
	o := simulate(10, every(time.Second), w)
	want := []float64{0.5, 0.5, 0.5, 1.5, 1.5, 1.5, 2.5, 2.5, 2.5, 3.5}
	for i := range want {
		if len(o.back) != 10 || math.Abs(o.back[i]-want[i]) > 1e-9 {
			t.Fatalf("back %v, want %v", o.back, want)
		}
	}
	if o.attempts[0] != 10 || o.attempts[10] != 10 || o.attempts[20] != 10 || o.attempts[30] != 10 || o.attempts[40] != 7 || o.attempts[60] != 1 {
		t.Errorf("attempts %v", o.attempts[:70])
	}
	if o.total() != 30+10+7+4+1 || o.peak(w) != 10 {
		t.Errorf("%d attempts, %d at the busiest", o.total(), o.peak(w))
	}
	if o.backAt(0.5) != o.back[4] || o.backAt(1) != o.back[9] {
		t.Error("quantiles are of another client")
	}
}

func TestWhoIsNotBackInTimeIsNeverBack(t *testing.T) {
	t.Parallel()
	o := simulate(10, every(time.Second), world{down: time.Second, capacity: 1, horizon: 5500 * time.Millisecond})
	if got := o.backAt(0.5); got != 4 {
		t.Errorf("half are back at %v", got)
	}
	if got := o.backAt(1); !math.IsInf(got, 1) {
		t.Errorf("all are back at %v", got)
	}
}

func TestTheDistanceOfTwoHerds(t *testing.T) {
	t.Parallel()
	a := outcome{clients: 4, back: []float64{1, 2, 3, 4}}
	for _, test := range []struct {
		b    outcome
		want float64
	}{
		{a, 0},
		{outcome{clients: 4, back: []float64{2, 3, 4, 5}}, 0.25},
		{outcome{clients: 4, back: []float64{5, 6, 7, 8}}, 1},
		{outcome{clients: 4}, 1},
		{outcome{clients: 2, back: []float64{2, 4}}, 0.25},
	} {
		if got, back := distance(a, test.b), distance(test.b, a); got != test.want || back != test.want {
			t.Errorf("%v: %v, %v, want %v", test.b.back, got, back, test.want)
		}
	}
}

func TestSchedulesKeepToTheirBounds(t *testing.T) {
	t.Parallel()
	for _, s := range schedules {
		most := 22500*time.Millisecond + time.Millisecond // 15 s and a half of it
		switch s.name {
		case "grpc":
			most = 144 * time.Second
		case "hale, jitter 1":
			most = 30*time.Second + time.Millisecond
		}
		for range 100 {
			b := s.begin()
			for range 40 {
				if pause := b.NextBackOff(); pause < 0 || pause > most {
					t.Fatalf("%s: a pause of %v", s.name, pause)
				}
			}
		}
	}
}

// A real herd and a simulated one of the same size do about the same: the first
// attempt comes at once, and all are back in the end.
func TestARealHerdIsBack(t *testing.T) {
	t.Parallel()
	const n = 20
	w := world{down: 300 * time.Millisecond, told: 10 * time.Millisecond, capacity: 5, horizon: 30 * time.Second}
	o, err := real(t.Context(), n, 0, w)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.back) != n || o.total() < 2*n {
		t.Errorf("%d are back after %d attempts", len(o.back), o.total())
	}
}

func TestAScheduleIsKinderOnlyIfItIsBackInTime(t *testing.T) {
	t.Parallel()
	w := world{down: window, capacity: 1, horizon: time.Second}
	all := func(attempts int, back ...float64) outcome {
		return outcome{clients: 2, attempts: []int{0, attempts}, back: back}
	}
	results := make([]outcome, len(schedules))
	for i := range results {
		results[i] = all(100, 1, 2) // as hale's
	}
	results[1] = all(50, 1)    // is not back
	results[2] = all(50, 1, 2) // is kinder
	got := judge(results, w)
	if len(got) != 1 || !strings.HasPrefix(got[0], schedules[2].name+" is kinder") {
		t.Errorf("%q", got)
	}
	results[3] = all(90, 1, 2)
	long := herd{2, w, results}
	if got := verdict([]herd{long}); len(got) != 3 || !strings.HasPrefix(got[0], "**Yes: "+schedules[2].name) || !strings.HasPrefix(got[1], "**Yes: "+schedules[3].name) {
		t.Errorf("%q", got)
	}
	short := herd{2, w, append([]outcome{}, results...)}
	short.results[2] = all(50, 1.5, 2) // of whom half are back later
	short.results[3] = all(100, 1, 2)  // no better there, and no worse
	if got := verdict([]herd{long, short}); len(got) != 3 || !strings.Contains(got[0], schedules[2].name+" is kinder to the server for 1 of the 2 herds above, at no more time, and is not for") ||
		!strings.HasPrefix(got[1], "**Yes: "+schedules[3].name) {
		t.Errorf("%q", got)
	}
}
