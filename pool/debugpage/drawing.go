package debugpage

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// piece is a stretch of a drawing, in percents of its width.
type piece struct {
	X, W  float64
	Class string
	Word  string
}

// least is the width of what is shorter than can be seen, in percents.
const least = 0.5

// stretch is the piece from one time to another, in a drawing that begins at a time
// and lasts; ok is false if nothing of it is in there.
func stretch(from, to, begin time.Time, lasts time.Duration, class string) (p piece, ok bool) {
	x, end := part(from.Sub(begin), lasts), part(to.Sub(begin), lasts)
	if end < 0 || x > 100 {
		return p, false
	}
	x, end = max(0, x), min(100, end)
	w := max(least, end-x)
	return piece{X: round(min(x, 100-w)), W: round(w), Class: class, Word: class}, true
}

// part is d of all, in percents.
func part(d, all time.Duration) float64 {
	if all <= 0 {
		return 0
	}
	return 100 * float64(d) / float64(all)
}

func round(x float64) float64 { return math.Round(x*100) / 100 }

// Timeline is the last minutes of a pool: the states that were seen, and over them the
// outages, of which the pool itself keeps the account.
func (p poolReport) Timeline() (pieces []piece) {
	begin := p.at.Add(-timelineLasts)
	add := func(from, to time.Time, class string) {
		if piece, ok := stretch(from, to, begin, timelineLasts, class); ok {
			pieces = append(pieces, piece)
		}
	}
	for _, r := range p.States {
		if r.State != "outage" {
			add(r.From, r.To, r.State)
		}
	}
	for i := range p.Last {
		o := p.Last[len(p.Last)-1-i]
		add(o.Began, o.Detected, "silence")
		add(o.Detected, o.end(p.at), "outage")
	}
	return pieces
}

// Lasts is how long the timeline is.
func (p poolReport) Lasts() string { return seconds(timelineLasts).human() }

// Story is the timeline in words.
func (p poolReport) Story() string {
	var told []string
	begin := p.at.Add(-timelineLasts)
	for _, o := range p.Last {
		if o.end(p.at).After(begin) {
			told = append(told, fmt.Sprintf("at %s for %s", o.Began.Format(time.TimeOnly), o.Lasted.human()))
		}
	}
	if len(told) == 0 {
		return "Last " + p.Lasts() + ": no outage"
	}
	return fmt.Sprintf("Last %s: %s: %s", p.Lasts(), plural(len(told), "outage", "outages"), strings.Join(told, "; "))
}

// end is when an outage ended, or now.
func (o outageReport) end(now time.Time) time.Time {
	if o.Ended != nil {
		return *o.Ended
	}
	return now
}

// Silence is the part of an outage in which nothing was noticed, in percents.
func (o outageReport) Silence() float64 {
	return round(min(100, max(0, part(time.Duration(o.Silent), time.Duration(o.Lasted)))))
}

// Rest is the part after it.
func (o outageReport) Rest() float64 { return round(100 - o.Silence()) }

// Ticks are the dials, in percents.
func (o outageReport) Ticks() (at []float64) {
	for _, d := range o.Dials {
		at = append(at, round(min(100, max(0, part(time.Duration(d), time.Duration(o.Lasted))))))
	}
	return at
}

// Places is how the places of a pool are used.
func (p poolReport) Places() (pieces []piece) {
	x, all := 0.0, float64(max(1, p.MaxConns, p.Conns+p.Dialing))
	for _, s := range []struct {
		n     int
		class string
	}{{p.InUse, "used"}, {p.Idle, "idle"}, {p.Quarantined, "doubt"}, {p.Dialing, "dialing"}} {
		if s.n > 0 {
			w := 100 * float64(s.n) / all
			pieces = append(pieces, piece{X: round(x), W: round(w), Class: s.class})
			x += w
		}
	}
	return pieces
}
