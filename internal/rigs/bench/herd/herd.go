// Package herd measures what an endpoint that comes back sees of its clients, by the
// schedule that they reconnect by: real pools in processes of their own, to some
// thousands, and the same schedules under a discrete clock, to a million.
package herd

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"example.com/hale/internal/rigs/bench/figure"
	"example.com/hale/internal/rigs/bench/page"
)

// Section measures it.
func Section(ctx context.Context, e figure.Effort) (page.Section, error) {
	s := page.Section{
		Title: "The herd",
		About: `All clients of one endpoint lose it at the same moment and dial at once, then by their schedule. When it
is back, it admits so many attempts in each 100 ms and refuses the others, as a server does that can take
so many logins. The schedules are given to hale's pool as its Backoff; "hale" is the pool's own. The same
objects give the pauses of the real clients and of those under the discrete clock.`,
	}
	if err := overlap(ctx, e, &s); err != nil {
		return s, err
	}
	crowds(e, &s)
	return s, nil
}

// overlap has real herds and simulated ones of the same size.
func overlap(ctx context.Context, e figure.Effort, s *page.Section) error {
	n := figure.Pick(e, 20, 400, 2000)
	w := world{down: 5 * time.Second, capacity: n / 20, horizon: 25 * time.Second}
	if e == figure.Brief {
		w.down, w.horizon = time.Second, 3*time.Second
	}
	outcomes, errs := make([]outcome, len(schedules)), make([]error, len(schedules))
	// What all of them would dial in five seconds if they were many is more than two
	// processors can do in ten.
	together, when := len(schedules), "all at the same time"
	if e == figure.Long {
		together, when = 1, "one after the other"
	}
	var all sync.WaitGroup
	places := make(chan struct{}, together)
	for i := range schedules {
		places <- struct{}{}
		all.Go(func() {
			outcomes[i], errs[i] = real(ctx, n, i, w)
			<-places
		})
	}
	all.Wait()
	t := page.Table{
		Title: fmt.Sprintf("%s pools each, in a process for each schedule, %s; away for %s, then %d admitted in 100 ms",
			figure.Count(n), when, figure.Seconds(w.down), w.capacity),
		Columns: []string{"schedule", "attempts for each client, real", "simulated", "busiest 100 ms, real", "simulated", "half are back, real", "simulated", "error"},
	}
	worst := 0.0
	for i, sch := range schedules {
		if errs[i] != nil {
			return fmt.Errorf("%s: %w", sch.name, errs[i])
		}
		w := w
		w.first = outcomes[i].first
		sim := simulate(n, sch, w)
		d := distance(outcomes[i], sim)
		worst = max(worst, d)
		t.Rows = append(t.Rows, []string{
			sch.name,
			figure.Number(float64(outcomes[i].total()) / float64(n)), figure.Number(float64(sim.total()) / float64(n)),
			figure.Count(outcomes[i].peak(w)), figure.Count(sim.peak(w)),
			inSeconds(outcomes[i].backAt(0.5)), inSeconds(sim.backAt(0.5)),
			figure.Percent(d),
		})
	}
	t.Reading = append(judge(outcomes, w), fmt.Sprintf("The error is the largest difference, at any time, between the parts of the clients that are back, really and under the clock, where they learn of the loss at the same moments: at most %s. It is largest where there is little jitter or none: those clients come together, and a moment decides who is admitted. "+
		"Two simulations of the same herd differ by some %s, by chance.", figure.Percent(worst), figure.Percent(chance(n, w))), boundOf(n, w))
	s.Tables = append(s.Tables, t)
	return nil
}

// chance is the distance between two simulations of hale's schedule.
func chance(n int, w world) float64 {
	return distance(simulate(n, schedules[0], w), simulate(n, schedules[0], w))
}

func inSeconds(s float64) string {
	if math.IsInf(s, 1) {
		return "not in time"
	}
	return figure.Nanoseconds(s * float64(time.Second))
}

// A herd is so many clients in a world, and what became of them by each schedule.
type herd struct {
	n       int
	w       world
	results []outcome
}

// crowds are herds under the clock: of several sizes after a long absence, and one
// after a short.
func crowds(e figure.Effort, s *page.Section) {
	long := world{
		down: 30 * time.Second, told: window, capacity: 1000,
		horizon: figure.Pick(e, 40*time.Second, 145*time.Second, 900*time.Second),
	}
	short := long
	short.down, short.horizon = 5*time.Second, figure.Pick(e, 10*time.Second, 65*time.Second, 65*time.Second)
	var herds []herd
	for _, n := range figure.Pick(e, []int{1_000, 10_000}, []int{1_000, 10_000, 100_000, 1_000_000}, []int{1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000}) {
		herds = append(herds, herd{n, long, make([]outcome, len(schedules))})
	}
	sizes := len(herds)
	herds = append(herds, herd{10_000, short, make([]outcome, len(schedules))})
	each(len(herds)*len(schedules), func(job int) {
		h, i := herds[len(herds)-1-job/len(schedules)], job%len(schedules) // the largest come early
		h.results[i] = simulate(h.n, schedules[i], h.w)
	})
	for _, h := range herds {
		s.Tables = append(s.Tables, h.table())
	}
	s.Tables = append(s.Tables, page.Table{Title: "Is another schedule to be the default?", Reading: verdict(herds)})
	middle := herds[min(2, sizes-1)]
	s.Plots = append(s.Plots, arrivals(middle.n, middle.results, long), recoveries(herds[:sizes], long))
}

// recoveries is the plot of the time to recover by the number of clients.
func recoveries(herds []herd, w world) page.Plot {
	p := page.Plot{
		File: "herd-recover.svg", Title: "Until 99 of a hundred clients are back, after " + figure.Seconds(w.down),
		X: page.Axis{Label: "clients", Log: true}, Y: page.Axis{Label: "seconds", Log: true},
	}
	for i, sch := range schedules {
		l := page.Line{Name: sch.name}
		for _, h := range herds {
			if back := h.results[i].backAt(0.99); !math.IsInf(back, 1) {
				l.Points = append(l.Points, page.Point{X: float64(h.n), Y: back})
			}
		}
		p.Lines = append(p.Lines, l)
	}
	return p
}

// table is what became of one herd.
func (h herd) table() page.Table {
	n, w, results := h.n, h.w, h.results
	ideal := float64(n) / float64(w.capacity) * window.Seconds()
	t := page.Table{
		Title: fmt.Sprintf("%s clients under the clock; away for %s, then %s admitted in 100 ms, so that all could be back after %s",
			figure.Count(n), figure.Seconds(w.down), figure.Count(w.capacity), inSeconds(ideal)),
		Columns: []string{"schedule", "attempts for each client", "busiest 100 ms after the return", "of what is admitted", "half are back", "99 % are back", "all are back"},
	}
	for i, sch := range schedules {
		o := results[i]
		t.Rows = append(t.Rows, []string{
			sch.name, figure.Number(float64(o.total()) / float64(n)), figure.Count(o.peak(w)), figure.Times(float64(o.peak(w)) / float64(w.capacity)),
			inSeconds(o.backAt(0.5)), inSeconds(o.backAt(0.99)), inSeconds(o.backAt(1)),
		})
	}
	t.Reading = append(judge(results, w), boundOf(n, w))
	return t
}

// boundOf says what the time to recover is bound by.
func boundOf(n int, w world) string {
	if ideal := time.Duration(n) * window / time.Duration(w.capacity); ideal > hales {
		return "What bounds it: what the server admits, " + figure.Seconds(ideal) + " for all of them; and the pauses of those that were refused."
	}
	return "What bounds it: the last pause before the return, " + figure.Seconds(hales) + " at most by hale's schedule, and shorter after a short absence."
}

// hales is the longest pause of hale's schedule.
const hales = 3 * longest / 2

// kinder reports whether a schedule has fewer attempts than hale's, in all or at the
// busiest, neither of them more, and is back as soon.
func kinder(o, own outcome, w world) bool {
	peak, ownPeak := float64(o.peak(w)), float64(own.peak(w))
	total, ownTotal := float64(o.total()), float64(own.total())
	less := slack*peak < ownPeak || slack*total < ownTotal
	return less && peak <= slack*ownPeak && total <= slack*ownTotal && inTime(o, own)
}

func inTime(o, own outcome) bool {
	back := o.backAt(0.99) // if it is never, it is not known whether that is slower
	return !math.IsInf(back, 1) && back <= slack*own.backAt(0.99) && o.backAt(0.5) <= slack*own.backAt(0.5)
}

// verdict says whether a schedule is kinder than hale's for some herd, and no worse for
// any.
func verdict(herds []herd) (sentences []string) {
	for i, sch := range schedules[1:] {
		better, worse := 0, ""
		for _, h := range herds {
			o, own := h.results[i+1], h.results[0]
			switch {
			case kinder(o, own, h.w):
				better++
			case !inTime(o, own) || float64(o.peak(h.w)) > slack*float64(own.peak(h.w)) || float64(o.total()) > slack*float64(own.total()):
				worse = fmt.Sprintf("%s clients, away for %s: %d at the busiest (hale's %d), half back after %s (%s), 99 %% after %s (%s)",
					figure.Count(h.n), figure.Seconds(h.w.down), o.peak(h.w), own.peak(h.w),
					inSeconds(o.backAt(0.5)), inSeconds(own.backAt(0.5)), inSeconds(o.backAt(0.99)), inSeconds(own.backAt(0.99)))
			}
		}
		switch {
		case better == 0:
		case worse == "":
			sentences = append(sentences, fmt.Sprintf("**Yes: %s**, which is kinder to the server for %d of the %d herds above, and no worse and no slower for any.", sch.name, better, len(herds)))
		default:
			sentences = append(sentences, fmt.Sprintf("%s is kinder to the server for %d of the %d herds above, at no more time, and is not for %s.", sch.name, better, len(herds), worse))
		}
	}
	return append(sentences, "hale's is the default as long as no other is kinder for some and worse for none: a server that restarts is away for seconds.")
}

// slack is what counts as equal.
const slack = 1.05

// judge says which schedule is kinder than hale's at no more time to recover, and
// which is quicker, at what price.
func judge(results []outcome, w world) (sentences []string) {
	own := results[0]
	for i, sch := range schedules[1:] {
		o := results[i+1]
		back, ownBack := o.backAt(0.99), own.backAt(0.99)
		switch {
		case kinder(o, own, w):
			sentences = append(sentences, fmt.Sprintf("%s is kinder than hale's schedule here, and no slower: %s times as many attempts, %s at the busiest (hale's %s), 99 %% after %s (%s).",
				sch.name, figure.Number(float64(o.total())/float64(own.total())), figure.Count(o.peak(w)), figure.Count(own.peak(w)), inSeconds(back), inSeconds(ownBack)))
		case slack*back < ownBack:
			sentences = append(sentences, fmt.Sprintf("%s is back sooner than hale's: 99 %% after %s (hale's %s), by %s times as many attempts and %s at the busiest (%s).",
				sch.name, inSeconds(back), inSeconds(ownBack), figure.Number(float64(o.total())/float64(own.total())), figure.Count(o.peak(w)), figure.Count(own.peak(w))))
		}
	}
	if len(sentences) == 0 {
		sentences = []string{"No schedule is kinder than hale's at as little time, and none is back sooner."}
	}
	return sentences
}

// arrivals is the plot of one herd over time.
func arrivals(n int, results []outcome, w world) page.Plot {
	p := page.Plot{
		File: "herd-arrivals.svg", Title: fmt.Sprintf("Attempts in each 100 ms: %s clients, away for %s", figure.Count(n), figure.Seconds(w.down)),
		X: page.Axis{Label: "seconds from the return"}, Y: page.Axis{Label: "attempts", Log: true},
	}
	const shown = 400 // windows
	from := int(w.down / window)
	for i, sch := range schedules {
		l := page.Line{Name: sch.name}
		for k, a := range results[i].attempts[from:min(from+shown, len(results[i].attempts))] {
			l.Points = append(l.Points, page.Point{X: (time.Duration(k) * window).Seconds(), Y: float64(a)})
		}
		p.Lines = append(p.Lines, l)
	}
	return p
}
