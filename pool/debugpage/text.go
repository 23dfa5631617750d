package debugpage

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// say writes for a terminal: each value stays on its line and in its column, and says
// nothing that a terminal might obey, for errors have text of servers in them.
func say(w io.Writer, format string, values ...any) {
	for i, v := range values {
		if s, ok := v.(string); ok {
			values[i] = strings.Map(printable, s)
		}
	}
	fmt.Fprintf(w, format, values...)
}

func printable(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case !unicode.IsPrint(r):
		return -1
	}
	return r
}

// text is the form for a terminal.
func (r *report) text() (string, error) {
	var b strings.Builder
	say(&b, "%s, %s: %s\n", r.Title, r.At.Format(time.RFC3339), r.Summary)
	for _, c := range r.Clusters {
		say(&b, "\n%s: %s\n", c.Name, c.State)
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  ENDPOINT\tROLE\tSHARE\tSTATE\tFOR\tIN USE\tIDLE\tWAITING\tEJECTED")
		for _, e := range c.Endpoints {
			say(t, "  %s\t%s\t%s\t%s\t%s\t%d/%d\t%d\t%d\t%s\n", e.Pool.Name, e.Role, e.Percent(), e.Pool.State, e.Pool.For.whole(),
				e.Pool.InUse, e.Pool.MaxConns, e.Pool.Idle, e.Pool.Waiting, e.Ejection(r.At))
		}
		t.Flush()
	}
	for _, p := range r.Pools {
		p.write(&b)
	}
	return trailing.ReplaceAllString(b.String(), ""), nil
}

// trailing is what a table leaves at the end of lines.
var trailing = regexp.MustCompile(`(?m) +$`)

// Percent is the share of an endpoint.
func (e endpointReport) Percent() string { return fmt.Sprintf("%.0f %%", 100*e.Share) }

// Ejection says whether an endpoint is ejected, until when, and why.
func (e endpointReport) Ejection(now time.Time) (text string) {
	if !e.Ejected {
		return ""
	}
	text = "ejected"
	if e.Until != nil {
		text = "ejected for " + seconds(max(0, e.Until.Sub(now))).human()
	}
	return join(text, e.Why)
}

// write writes a pool for a terminal.
func (p poolReport) write(b *strings.Builder) {
	say(b, "\n%s: %s", p.ID, p.State)
	if p.For >= 0 {
		say(b, " for %s", p.For.human())
	}
	for _, text := range []string{p.Doing(), p.DialError} {
		if text != "" {
			say(b, ": %s", text)
		}
	}
	say(b, "\n  places   %d in use, %d idle, %d quarantined, %d dialing, of %d\n", p.InUse, p.Idle, p.Quarantined, p.Dialing, p.MaxConns)
	if p.Waiting > 0 {
		say(b, "  waiting  %d, the first for %s\n", p.Waiting, p.OldestWait.human())
	}
	say(b, "  deaths   %s\n", counts(p.Deaths))
	say(b, "  noticed  on average after %s, promised is %s\n", p.MeanSilent.human(), p.Promise.human())
	for _, o := range p.Last {
		say(b, "  outage   #%d, %s %s: silent %s, %s, %s, %d lost\n", o.ID, o.Began.Format(time.TimeOnly), o.Cause,
			o.Silent.human(), plural(o.Attempts, "dial", "dials"), o.Over(), o.Lost)
	}
	if p.Listed {
		p.writeConns(b)
	}
}

// counts writes what was how often.
func counts(all []count) string {
	if len(all) == 0 {
		return "none"
	}
	var each []string
	for _, c := range all {
		each = append(each, fmt.Sprintf("%d %s", c.N, c.What))
	}
	return strings.Join(each, ", ")
}

func (p poolReport) writeConns(b *strings.Builder) {
	if len(p.List) == 0 {
		say(b, "  conns    none is open\n")
		return
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  CONN\tSTATE\tREMOTE\tLOCAL\tAGE\tIDLE\tUSES\tRTT\tUNANSWERED\tUNACKED\tHEARD\tKEEPALIVE\tNOTICED\tHOLDER")
	for _, c := range p.List {
		say(t, "  %d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Number, c.Word(), c.Remote, c.Local, c.Age.human(), c.Idle.human(),
			c.Uses, c.RTT.human(), number(c.Unanswered), bytes(c.Unacked), c.Heard.human(), c.Keep(), c.Within(), c.Holder)
	}
	t.Flush()
	if p.Pages > 1 {
		say(b, "  page %d of %d, of %d connections\n", p.Page, p.Pages, p.Conns)
	}
}
