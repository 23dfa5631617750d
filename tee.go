package hale

import "example.com/hale/internal/hooks"

// Tee returns an Observer that calls the hooks of observers in their order. The
// context that one DialStart returns is what the next one gets. Those that are
// nil are skipped, and a hook that none of them has stays nil; of nobody it is
// nil. It reads their fields once.
func Tee(observers ...*Observer) *Observer {
	var all *Observer
	for _, o := range observers {
		all = both(all, o)
	}
	return all
}

func both(a, b *Observer) *Observer {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &Observer{
		DialStart: hooks.Threads(a.DialStart, b.DialStart),
		DialDone:  hooks.WithContext(a.DialDone, b.DialDone),
		Suspect:   hooks.WithInfo(a.Suspect, b.Suspect),
		Recovered: hooks.WithInfo(a.Recovered, b.Recovered),
		Dead:      hooks.WithInfo(a.Dead, b.Dead),
		Closed:    hooks.WithInfo(a.Closed, b.Closed),
		Dropped:   hooks.WithInfo(a.Dropped, b.Dropped),
	}
}
