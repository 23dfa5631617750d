package page

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"example.com/hale/pool"
	"example.com/hale/pool/debugpage"
)

// axe is axe-core 4.14.1, as its package has it, with its licences beside it: the rules of
// WCAG 2.2 and good practice that a program can check.
//
//go:embed testdata/axe-core/axe.min.js
var axe string

// finding is a rule that is not kept, or that axe-core could not decide.
type finding struct {
	ID, Help string
	Nodes    []struct {
		HTML           string
		FailureSummary string
	}
}

func (f finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", f.ID, f.Help)
	for _, n := range f.Nodes {
		fmt.Fprintf(&b, "\n  %.300s\n  %s", n.HTML, n.FailureSummary)
	}
	return b.String()
}

// isAccessible fails the test for each rule that the page as it is now does not keep, or
// may not keep.
func (b *browser) isAccessible(what string) {
	b.Helper()
	if !eval[bool](b, "typeof axe === 'object'") {
		eval[bool](b, axe+"; true")
	}
	result := await[struct {
		Violations, Incomplete []finding
		Passes                 []struct{ ID string }
	}](b, `axe.run(document, {resultTypes: ['violations', 'incomplete', 'passes']})`)
	for _, f := range append(result.Violations, result.Incomplete...) {
		b.Errorf("%s: %s", what, f)
	}
	if len(result.Passes) < 20 {
		b.Errorf("%s: only %d rules were kept", what, len(result.Passes))
	}
}

// states are one pool in each of them, and a cluster.
func states() *debugpage.Page {
	now := time.Now()
	p := &debugpage.Page{Title: "shop", Clusters: []func() debugpage.Cluster{cluster}}
	for _, state := range []string{"well", "busy", "suspect", "full", "probing", "outage", "closed"} {
		s := pool.Snapshot{Name: state, At: now, State: state, OldestWait: time.Second, Attempt: 3, Stats: pool.Stats{MaxConns: 9, InUse: 2, Idle: 3, Quarantined: 1, Waiting: 2, DialErrors: 1, Unwatched: 1, Unmonitored: true}}
		if state == "outage" || state == "probing" {
			s.Since, s.Dial = now.Add(-time.Minute), errors.New("dial tcp 10.9.8.7:5432: connect: connection refused")
			s.Outages = []pool.OutageInfo{{Outage: pool.Outage{ID: 1, Began: now.Add(-time.Minute), Detected: now.Add(-50 * time.Second)}, Dials: []time.Time{now.Add(-40 * time.Second)}}}
		}
		p.Pools = append(p.Pools, func() pool.Snapshot { s.At = time.Now(); return s })
	}
	p.Pools = append(p.Pools, nil) // is unknown
	return p
}

func cluster() debugpage.Cluster {
	s := func(state string) pool.Snapshot {
		return pool.Snapshot{At: time.Now(), State: state, Stats: pool.Stats{MaxConns: 4, Idle: 2}}
	}
	return debugpage.Cluster{Name: "letters and more", Endpoints: []debugpage.Endpoint{
		{Name: "db1:5432", Role: "primary", Share: 0.6, Pool: s("well")},
		{Name: "db2:5432", Role: "replica", Share: 0.4, Pool: s("suspect")},
		{Name: "db3:5432", Role: "replica", Ejected: true, Until: time.Now().Add(time.Minute), Why: "5 errors in a row", Pool: s("outage")},
		{Name: "db4:5432", Ejected: true, Why: "it is draining", Pool: s("busy")},
	}}
}

func TestEveryStateIsAccessibleAtEveryWidthInLightAndDark(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.Handler(states()))
	t.Cleanup(server.Close) // after the browser, which has a stream open
	b := open(t, server.URL)
	for what, query := range map[string]string{"states": "/", "outage-pool": "/?pool=outage", "unknown-pool": "/?pool=pool"} {
		b.do(chromedp.Navigate(server.URL + query))
		b.until(`document.getElementById('how').textContent === 'live'`)
		b.fits(what)
	}
	b.noComplaints()
}

// A page of many, with who holds each.
func TestPagesOfConnectionsAreAccessible(t *testing.T) {
	t.Parallel()
	s := newScene(t, false, nil)
	full := s.pool.Snapshot()
	for len(full.Conns) < 60 {
		c := full.Conns[len(full.Conns)%8]
		c.Number = uint64(len(full.Conns)) + 1
		c.Suspect, c.Leaves = len(full.Conns)%5 == 0, []pool.Reason{"", pool.ReasonDead}[len(full.Conns)%2]
		c.Stack, c.Held = "main.work\n\t/src/main.go:17", time.Minute
		full.Conns = append(full.Conns, c)
	}
	s.page.Pools[0] = func() pool.Snapshot { full.At = time.Now(); return full }
	b := open(t, s.url)
	b.do(chromedp.Navigate(s.url + "?page=2"))
	b.until(`document.querySelectorAll('details').length > 5`)
	eval[bool](b, `document.querySelector('summary').click(), true`)
	b.until(`document.querySelector('details').open`)
	b.fits("pages")
	b.noComplaints()
}
