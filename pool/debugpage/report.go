package debugpage

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// pageSize is how many connections are listed at a time.
const pageSize = 50

// report is a look, worked out for a query. It is the JSON form as it is; the other
// forms are made from it.
type report struct {
	Title    string          `json:"title"`
	At       time.Time       `json:"at"`
	Summary  string          `json:"summary"`
	Pools    []poolReport    `json:"pools"`
	Clusters []clusterReport `json:"clusters"`
	Detail   bool            `json:"-"` // it is about one pool
	Only     bool            `json:"-"` // that is the only one
}

type clusterReport struct {
	Name      string           `json:"name"`
	State     string           `json:"state"`
	Endpoints []endpointReport `json:"endpoints"`
}

type endpointReport struct {
	Role    string      `json:"role,omitempty"`
	Share   float64     `json:"share"`
	Ejected bool        `json:"ejected"`
	Until   *time.Time  `json:"ejected_until"`
	Why     string      `json:"ejected_why,omitempty"`
	Pool    *poolReport `json:"pool"`
}

type poolReport struct {
	ID    string     `json:"id"` // what the parameter pool is
	Name  string     `json:"name"`
	State string     `json:"state"`
	Since *time.Time `json:"since"`
	For   seconds    `json:"for_s"` // since then; null if that is not known

	MaxConns    int     `json:"max_conns"`
	Conns       int     `json:"conns"`
	Idle        int     `json:"idle"`
	InUse       int     `json:"in_use"`
	Quarantined int     `json:"quarantined"`
	Dialing     int     `json:"dialing"`
	Waiting     int     `json:"waiting"`
	OldestWait  seconds `json:"oldest_wait_s"`
	Unwatched   int     `json:"unwatched"`
	Unmonitored bool    `json:"unmonitored"`
	Suspects    int     `json:"suspect"`

	Attempt   int     `json:"attempt"`
	Trying    bool    `json:"trying"`
	NextTry   seconds `json:"next_try_s"`
	DialError string  `json:"dial_error,omitempty"`
	Cause     string  `json:"cause,omitempty"` // of the outage that runs

	Deaths   []count `json:"deaths"`   // by cause
	Recycled []count `json:"recycled"` // by reason

	Acquires   int64   `json:"acquires"`
	Waits      int64   `json:"waits"`
	Dials      int64   `json:"dials"`
	DialErrors int64   `json:"dial_errors"`
	Retries    int64   `json:"retries"`
	Outages    int64   `json:"outages"`
	MeanDialed seconds `json:"mean_dial_s"`      // of the dials that succeeded
	MeanSilent seconds `json:"mean_detection_s"` // of all deaths, from the last sign of life
	MeanOutage seconds `json:"mean_outage_s"`
	Promise    seconds `json:"promise_s"` // within what time a peer that vanishes is to be noticed

	Last   []outageReport `json:"last_outages"` // the newest first
	States []run          `json:"states"`       // while somebody looked

	Listed bool         `json:"-"` // Listing is there
	List   []connReport `json:"connections,omitempty"`
	Page   int          `json:"page,omitempty"`
	Pages  int          `json:"pages,omitempty"`

	at time.Time
}

// count is how often something was.
type count struct {
	What string `json:"what"`
	N    int64  `json:"n"`
}

type outageReport struct {
	ID        uint64     `json:"id"`
	Began     time.Time  `json:"began"`
	Detected  time.Time  `json:"detected"`
	Ended     *time.Time `json:"ended"`
	Healed    bool       `json:"healed"`
	Cause     string     `json:"cause,omitempty"`
	DialError string     `json:"dial_error,omitempty"`
	Attempts  int        `json:"attempts"`
	Lost      int        `json:"lost"`
	Waiters   int        `json:"waiters"`
	Silent    seconds    `json:"detection_s"` // from the beginning
	Lasted    seconds    `json:"duration_s"`  // up to now, if it lasts
	Dials     []seconds  `json:"dials_s"`     // when they ended, from the beginning
}

type connReport struct {
	Number     uint64  `json:"number"`
	Remote     string  `json:"remote"`
	Local      string  `json:"local"`
	State      string  `json:"state"`
	Suspect    bool    `json:"suspect"`
	Unwatched  bool    `json:"unwatched"`
	Leaves     string  `json:"leaves,omitempty"` // why
	Age        seconds `json:"age_s"`
	Uses       uint64  `json:"uses"`
	Idle       seconds `json:"idle_s"` // since data went either way
	RTT        seconds `json:"rtt_s"`
	Unanswered *int    `json:"unanswered_probes"`
	Unacked    *int    `json:"unacknowledged_bytes"`
	Heard      seconds `json:"heard_s"` // since the last sign of life
	KeepIdle   seconds `json:"keepalive_idle_s"`
	KeepEvery  seconds `json:"keepalive_interval_s"`
	KeepCount  *int    `json:"keepalive_count"`
	Noticed    seconds `json:"noticed_within_s"`    // if it were gone now
	Unnoticed  string  `json:"unnoticed,omitempty"` // why that is null
	TCP        string  `json:"tcp_state,omitempty"`
	Held       seconds `json:"held_s"`
	Holder     string  `json:"holder,omitempty"` // the function that acquired it
	Stack      string  `json:"stack,omitempty"`
}

// seconds is a duration, or null if it is not known.
type seconds time.Duration

const unknown seconds = -1

// MarshalJSON writes seconds, as a fraction.
func (s seconds) MarshalJSON() ([]byte, error) {
	if s < 0 {
		return []byte("null"), nil
	}
	return json.Marshal(time.Duration(s).Seconds())
}

// since is the time from a moment on, which may not be known.
func since(from, now time.Time) seconds {
	if from.IsZero() {
		return unknown
	}
	return seconds(max(0, now.Sub(from)))
}

// known is a time, or nil if it is zero.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// mean is a total divided by how often it was.
func mean(total time.Duration, n int64) seconds {
	if n == 0 {
		return unknown
	}
	return seconds(total / time.Duration(n))
}

// report works a look out.
func (l *look) report(q query, v veil) *report {
	if q.pool == "" && !q.overview {
		q.pool = l.only()
	}
	r := &report{Title: l.title, At: l.at, Summary: l.summary(), Pools: []poolReport{}, Clusters: []clusterReport{},
		Detail: q.pool != "", Only: q.pool != "" && q.pool == l.only()}
	for _, p := range l.pools {
		if wanted(q, p.id) {
			r.Pools = append(r.Pools, p.report(q, v))
		}
	}
	for _, c := range l.clusters {
		if q.pool == "" {
			r.Clusters = append(r.Clusters, c.report(q, v))
			continue
		}
		for _, e := range c.endpoints {
			if wanted(q, e.pool.id) {
				r.Pools = append(r.Pools, e.pool.report(q, v))
			}
		}
	}
	return r
}

func wanted(q query, id string) bool { return q.pool == "" || q.pool == id }

func (c seenCluster) report(q query, v veil) clusterReport {
	r := clusterReport{Name: c.id, State: c.state, Endpoints: []endpointReport{}}
	for _, e := range c.endpoints {
		p := e.pool.report(q, v)
		r.Endpoints = append(r.Endpoints, endpointReport{
			Role: e.Role, Share: share(e.Share), Ejected: e.Ejected, Until: known(e.Until), Why: v.text(e.Why), Pool: &p,
		})
	}
	return r
}

// share is a part of the whole. What somebody's function divides by nothing is none of
// it: JSON has no number for that, and all of expvar would be broken.
func share(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return min(1, max(0, x))
}

func (p seenPool) report(q query, v veil) poolReport {
	st := p.Stats
	r := poolReport{
		ID: p.id, Name: cmp.Or(p.Name, "pool"), State: p.State, Since: known(p.Since), For: since(p.Since, p.At),
		MaxConns: st.MaxConns, Conns: st.Conns, Idle: st.Idle, InUse: st.InUse, Quarantined: st.Quarantined,
		Dialing: st.Dialing, Waiting: st.Waiting, OldestWait: seconds(p.OldestWait),
		Unwatched: st.Unwatched, Unmonitored: st.Unmonitored,
		Attempt: p.Attempt, Trying: p.Trying, NextTry: unknown, DialError: v.err(p.Dial),
		Deaths: deaths(st), Recycled: recycled(st),
		Acquires: st.Acquires, Waits: st.Waits, Dials: st.Dials, DialErrors: st.DialErrors, Retries: st.Retries,
		Outages: st.Outages, MeanDialed: mean(st.DialTime, st.Dials-st.DialErrors), MeanOutage: mean(st.OutageTime, st.Outages),
		Promise: p.promise(), Last: []outageReport{}, States: p.runs, at: p.At,
	}
	r.MeanSilent = mean(st.Silence, total(r.Deaths))
	if !p.NextTry.IsZero() {
		r.NextTry = seconds(max(0, p.NextTry.Sub(p.At)))
	}
	for _, c := range p.Conns {
		if c.Suspect {
			r.Suspects++
		}
	}
	for _, o := range slices.Backward(p.Outages) {
		r.Last = append(r.Last, outageOf(o, p.At, v))
	}
	if len(r.Last) > 0 && r.Last[0].Ended == nil {
		r.Cause = r.Last[0].Cause
	}
	if q.pool != "" {
		r.list(p.Conns, q.page, v)
	}
	return r
}

// promise is within what time a peer that vanishes is noticed, by the first connection
// that tells, or by the last that died of it.
func (p seenPool) promise() seconds {
	for _, c := range p.Conns[:min(len(p.Conns), pageSize)] {
		var f facts
		if f.plan(c.Conn); f.promised > 0 {
			return seconds(f.promised)
		}
	}
	for _, o := range slices.Backward(p.Outages) {
		if o.Death != nil && o.Death.Promised > 0 {
			return seconds(o.Death.Promised)
		}
	}
	return unknown
}

// deaths counts them by cause, in the order of the causes.
func deaths(st pool.Stats) []count {
	all := []count{}
	for c := range health.Causes() {
		if n := st.Deaths[c]; n > 0 {
			all = append(all, count{c.String(), n})
		}
	}
	return all
}

// recycled counts connections that have left, by reason.
func recycled(st pool.Stats) []count {
	all := []count{}
	for r := range pool.Reasons() {
		if n := st.Recycled[r]; n > 0 {
			all = append(all, count{string(r), n})
		}
	}
	return all
}

func total(all []count) (n int64) {
	for _, c := range all {
		n += c.N
	}
	return n
}

func outageOf(o pool.OutageInfo, now time.Time, v veil) outageReport {
	end := now
	if !o.Ended.IsZero() {
		end = o.Ended
	}
	r := outageReport{
		ID: o.ID, Began: o.Began, Detected: o.Detected, Ended: known(o.Ended), Healed: o.Healed,
		DialError: v.err(o.Dial), Attempts: o.Attempts, Lost: o.Lost, Waiters: o.Waiters,
		Silent: since(o.Began, o.Detected), Lasted: since(o.Began, end), Dials: []seconds{},
	}
	if o.Death != nil {
		r.Cause = o.Death.Cause.String()
	}
	for _, at := range o.Dials {
		r.Dials = append(r.Dials, since(o.Began, at))
	}
	return r
}

// list fills in a page of connections, those in doubt before the others. A page
// beyond the last is the last, for connections go while one looks.
func (p *poolReport) list(conns []pool.ConnInfo, page int, v veil) {
	conns = slices.Clone(conns)
	slices.SortStableFunc(conns, func(a, b pool.ConnInfo) int { return boolInt(b.Suspect) - boolInt(a.Suspect) })
	p.Listed, p.List = true, []connReport{}
	p.Pages = max(1, (len(conns)+pageSize-1)/pageSize)
	p.Page = min(page, p.Pages)
	from := (p.Page - 1) * pageSize
	for _, c := range conns[from:min(from+pageSize, len(conns))] {
		p.List = append(p.List, connOf(c, p.at, v))
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// connOf asks a connection.
func connOf(c pool.ConnInfo, now time.Time, v veil) connReport {
	f := ask(c.Conn)
	r := connReport{
		Number: c.Number, Remote: v.addr(c.Conn.RemoteAddr()), State: c.State, Suspect: c.Suspect, Unwatched: c.Unwatched, Leaves: string(c.Leaves),
		Age: since(c.Opened, now), Uses: c.Uses, Stack: c.Stack, Holder: function(c.Stack),
		Idle: unknown, RTT: unknown, Heard: unknown, KeepIdle: unknown, KeepEvery: unknown, Noticed: unknown, Held: unknown,
	}
	if !v.on && c.Conn.LocalAddr() != nil {
		r.Local = c.Conn.LocalAddr().String()
	}
	if c.Held > 0 {
		r.Held = seconds(c.Held)
	}
	r.kernel(f)
	return r
}

// kernel fills in what was asked of it.
func (c *connReport) kernel(f facts) {
	if f.known {
		c.RTT, c.Heard = seconds(f.info.RTT), seconds(f.info.Silence())
		c.Idle = seconds(min(f.info.SinceReceived, f.info.SinceSent))
		c.Unanswered, c.Unacked, c.TCP = &f.info.Probes, &f.info.Unacked, f.info.State.String()
	}
	if f.planned && f.set.Idle > 0 && !f.set.Disabled {
		c.KeepIdle, c.KeepEvery, c.KeepCount = seconds(f.set.Idle), seconds(f.set.Interval), &f.set.Count
	}
	if within, err := f.noticed(); err != nil {
		c.Unnoticed = err.Error()
	} else {
		c.Noticed = seconds(within)
	}
}

// function is the first one in a stack, without the path of its package.
func function(stack string) string {
	name, _, _ := strings.Cut(stack, "\n")
	return name[strings.LastIndexByte(name, '/')+1:]
}

// json is the JSON form.
func (r *report) json() (string, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return string(text) + "\n", err
}
