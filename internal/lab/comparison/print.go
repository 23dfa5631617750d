package comparison

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/trial"
)

var header = []string{
	"client", "busy: default dialer", "busy: hale", "idle: default dialer", "idle: hale",
	"users saw: default dialer", "users saw: hale",
}

// PrintTable prints Markdown.
func PrintTable(out io.Writer, o Options, rows []Row) error {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(header)
	line([]string{"---", "--:", "--:", "--:", "--:", "---", "---"})
	for _, r := range rows {
		line([]string{
			r.client,
			o.stall(r.busy.own), o.stall(r.busy.hale), o.stall(r.idle.own), o.stall(r.idle.hale),
			reports(r.busy.own, r.idle.own), reports(r.busy.hale, r.idle.hale),
		})
	}
	fmt.Fprintf(&b, `
The longest that a request took when the server vanished, with hale's promise at
%v. The address could be dialled again after %v, and the end came after %v;
"hung" had no answer then. Busy: %d workers; idle: first request after %v.
`, o.Promise, o.Away, o.Limit, o.Workers, o.Trial().Idle)
	_, err := io.WriteString(out, b.String())
	return err
}

// stall is a cell of the table. What hung has lasted for that and longer, give
// or take the time that a worker takes to begin.
func (o Options) stall(r trial.Result) string {
	if r.Hung == 0 {
		return fmt.Sprintf("%.1f s", r.Stall.Seconds())
	}
	return fmt.Sprintf("> %.0f s", math.Floor(min(r.Stall, o.Limit).Seconds()+0.05))
}

// A Document is the JSON form. Times are in seconds.
type Document struct {
	Promise float64  `json:"promise_s"`
	Away    float64  `json:"away_s"`
	Limit   float64  `json:"limit_s"`
	Workers int      `json:"workers"`
	Clients []Client `json:"clients"`
	Skipped []string `json:"skipped"` // servers, and why
}

// A Client is in a Document.
type Client struct {
	Server string `json:"server"`
	Client string `json:"client"`
	Busy   Pair   `json:"busy"`
	Idle   Pair   `json:"idle"`
}

// A Pair is a client by its own dialer and by hale's.
type Pair struct {
	Own  Result `json:"own"`
	Hale Result `json:"hale"`
}

// A Result is what happened under one load.
type Result struct {
	Requests     int      `json:"requests"` // answered
	LongestStall float64  `json:"longest_stall_s"`
	Hung         int      `json:"hung"`              // for longer than that
	Noticed      *float64 `json:"noticed_after_s"`   // the first error; null if there was none
	Recovered    *float64 `json:"recovered_after_s"` // null if never
	Saw          string   `json:"users_saw"`
	Errors       []string `json:"errors"` // each text once
}

// NewDocument has what was measured, and what was skipped.
func NewDocument(o Options, rows []Row, skipped []string) Document {
	d := Document{
		Promise: o.Promise.Seconds(), Away: o.Away.Seconds(), Limit: o.Limit.Seconds(), Workers: o.Workers,
		Clients: []Client{}, Skipped: append([]string{}, skipped...),
	}
	for _, r := range rows {
		d.Clients = append(d.Clients, Client{
			Server: r.server, Client: r.client, Busy: r.busy.document(), Idle: r.idle.document(),
		})
	}
	return d
}

func (p pair) document() Pair { return Pair{Own: newResult(p.own), Hale: newResult(p.hale)} }

func newResult(r trial.Result) Result {
	texts := []string{}
	for _, err := range r.Errors {
		texts = append(texts, err.Error())
	}
	return Result{
		Requests: r.Requests, LongestStall: r.Stall.Seconds(), Hung: r.Hung,
		Noticed: happened(r.Noticed), Recovered: happened(r.Recovered),
		Saw: report(r), Errors: append([]string{}, unique(texts)...),
	}
}

// happened is null for what has not: a trial has 0 for it.
func happened(after time.Duration) *float64 {
	if after == 0 {
		after = -1
	}
	return program.Seconds(after)
}
