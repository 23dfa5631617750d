package hale

import "example.com/hale/internal/hooks"

// Tee returns an Observer that calls the hooks of observers in their order. The
// context that one DialStart returns is what the next one gets. Those that are
// nil are skipped, and a hook that none of them has stays nil; of no observers
// it is nil. It reads their fields once.
func Tee(observers ...*Observer) *Observer { return hooks.Tee(observers, join) }

func join(a, b *Observer) *Observer {
	return &Observer{
		DialStart: hooks.Threads(a.DialStart, b.DialStart),
		DialDone:  hooks.WithContext(a.DialDone, b.DialDone),
		Accepted:  hooks.WithInfo(a.Accepted, b.Accepted),
		Suspect:   hooks.WithInfo(a.Suspect, b.Suspect),
		Recovered: hooks.WithInfo(a.Recovered, b.Recovered),
		Sampled:   hooks.WithInfo(a.Sampled, b.Sampled),
		Dead:      hooks.WithInfo(a.Dead, b.Dead),
		Closed:    hooks.WithInfo(a.Closed, b.Closed),
		Dropped:   hooks.WithInfo(a.Dropped, b.Dropped),
	}
}
