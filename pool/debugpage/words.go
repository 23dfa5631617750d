package debugpage

import (
	"fmt"
	"strconv"
	"time"

	"example.com/hale/pool"
)

// human is a duration as a person wants to read it: two digits or three, one unit or two.
func (s seconds) human() string {
	d := time.Duration(s)
	switch {
	case s < 0:
		return "–"
	case d < time.Millisecond:
		return strconv.FormatInt(int64(d/time.Microsecond), 10) + " µs"
	case d < time.Second:
		return strconv.FormatInt(int64(d/time.Millisecond), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 10*time.Minute:
		return units(d, time.Minute, "min", time.Second, "s")
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return units(d, time.Hour, "h", time.Minute, "min")
	}
	return units(d, 24*time.Hour, "d", time.Hour, "h")
}

// tenths is human in tenths of a second where it is shorter than that.
func (s seconds) tenths() string {
	if s < 0 || time.Duration(s) >= time.Second {
		return s.human()
	}
	return strconv.FormatFloat(time.Duration(s).Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64) + " s"
}

// whole is human without the part of a second, for what counts up as one looks.
func (s seconds) whole() string {
	if s < 0 || time.Duration(s) >= 10*time.Second {
		return s.human()
	}
	return strconv.Itoa(int(time.Duration(s).Seconds())) + " s"
}

func units(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	text := strconv.Itoa(int(d/big)) + " " + bigName
	if rest := d % big / small; rest > 0 {
		text += " " + strconv.Itoa(int(rest)) + " " + smallName
	}
	return text
}

// bytes is a number of them.
func bytes(n *int) string {
	switch {
	case n == nil:
		return "–"
	case *n < 1000:
		return fmt.Sprintf("%d B", *n)
	case *n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(*n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(*n)/1e6)
}

// number is n, or a dash.
func number(n *int) string {
	if n == nil {
		return "–"
	}
	return strconv.Itoa(*n)
}

// doing says in a few words what the pool does about its state.
func (p poolReport) Doing() (text string) {
	switch p.State {
	case "busy":
		text = "callers wait for a connection"
		if p.InUse >= p.MaxConns {
			text = "every connection is in use"
		}
	case "suspect":
		text = plural(p.Suspects, "connection is", "connections are") + " in doubt, and not handed out"
	case "full":
		text = "the endpoint serves, but takes no more than " + plural(p.Conns, "connection", "connections")
	case "probing":
		text = "a dial failed, and no reply has shown yet that the endpoint serves"
	case "outage":
		text = p.Cause
	}
	return join(text, p.attempt())
}

// attempt says how far the work of reconnecting has come.
func (p poolReport) attempt() (text string) {
	switch {
	case p.Attempt == 0:
	case p.Trying:
		text = fmt.Sprintf("attempt %d under way", p.Attempt)
	default:
		text = fmt.Sprintf("attempt %d failed", p.Attempt)
	}
	switch {
	case p.NextTry == 0:
		text = join(text, "next try now")
	case p.NextTry > 0:
		text = join(text, "next try in "+p.NextTry.human())
	}
	return text
}

// Over says how an outage went on after its detection.
func (o outageReport) Over() string {
	after := seconds(o.Lasted - o.Silent).human()
	switch {
	case o.Ended == nil:
		return "for " + after + " now"
	case o.Healed:
		return "healed after " + after
	}
	return "not healed when the pool was closed, " + after + " later"
}

// Word is the state of a connection, as a person wants to read it.
func (c connReport) Word() string {
	switch {
	case c.Suspect:
		return "suspect"
	case c.State == "in_use" && c.Leaves != "":
		return "in use, " + c.Leaves
	case c.State == "in_use":
		return "in use"
	}
	return c.State
}

// Dead reports whether it is known to be.
func (c connReport) Dead() bool { return c.Leaves == string(pool.ReasonDead) }

// Keep says how the kernel asks an idle peer.
func (c connReport) Keep() string {
	if c.KeepIdle < 0 {
		return "–"
	}
	return fmt.Sprintf("%s + %s × %s", c.KeepIdle.human(), number(c.KeepCount), c.KeepEvery.human())
}

// Within says when it would be noticed if the peer were gone.
func (c connReport) Within() string {
	switch {
	case c.Dead():
		return "noticed"
	case c.Unnoticed != "":
		return c.Unnoticed
	}
	return "in " + c.Noticed.human()
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// plural is n with the word for it.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Owes reports whether the peer leaves a probe unanswered.
func (c connReport) Owes() bool { return c.Unanswered != nil && *c.Unanswered > 0 }

// Now is when the pool was looked at.
func (p poolReport) Now() time.Time { return p.at }
