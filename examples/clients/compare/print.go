package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"example.com/hale/internal/lab/trial"
)

var header = []string{
	"client", "busy: default dialer", "busy: hale", "idle: default dialer", "idle: hale",
	"users saw: default dialer", "users saw: hale",
}

// printTable prints Markdown.
func printTable(out io.Writer, o options, rows []row) error {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(header)
	line([]string{"---", "--:", "--:", "--:", "--:", "---", "---"})
	for _, r := range rows {
		line([]string{
			r.client,
			o.stall(r.busy.own), o.stall(r.busy.hale), o.stall(r.idle.own), o.stall(r.idle.hale),
			sawBoth(r.busy.own, r.idle.own), sawBoth(r.busy.hale, r.idle.hale),
		})
	}
	fmt.Fprintf(&b, `
The longest that a request took when the server vanished, with hale's promise at
%v. The address could be dialled again after %v, and the end came after %v;
"hung" had no answer then. Busy: %d workers; idle: first request after %v.
`, o.promise, o.away, o.limit, o.workers, o.trial().Idle)
	_, err := io.WriteString(out, b.String())
	return err
}

// stall is a cell of the table. What hung has lasted for that and longer, give
// or take the time that a worker takes to begin.
func (o options) stall(r trial.Result) string {
	if r.Hung == 0 {
		return fmt.Sprintf("%.1f s", r.Stall.Seconds())
	}
	return fmt.Sprintf("> %.0f s", math.Floor(min(r.Stall, o.limit).Seconds()+0.05))
}

// record is the JSON form. Times are in seconds.
type record struct {
	Promise float64        `json:"promise_s"`
	Away    float64        `json:"away_s"`
	Limit   float64        `json:"limit_s"`
	Workers int            `json:"workers"`
	Clients []clientRecord `json:"clients"`
	Skipped []string       `json:"skipped"` // servers, and why
}

type clientRecord struct {
	Server string     `json:"server"`
	Client string     `json:"client"`
	Busy   pairRecord `json:"busy"`
	Idle   pairRecord `json:"idle"`
}

type pairRecord struct {
	Own  resultRecord `json:"own"`
	Hale resultRecord `json:"hale"`
}

type resultRecord struct {
	Requests     int      `json:"requests"` // answered
	LongestStall float64  `json:"longest_stall_s"`
	Hung         int      `json:"hung"`              // for longer than that
	Noticed      *float64 `json:"noticed_after_s"`   // the first error; null if there was none
	Recovered    *float64 `json:"recovered_after_s"` // null if never
	Saw          string   `json:"users_saw"`
	Errors       []string `json:"errors"` // each text once
}

func printJSON(out io.Writer, o options, rows []row, skipped []string) error {
	r := record{
		Promise: o.promise.Seconds(), Away: o.away.Seconds(), Limit: o.limit.Seconds(), Workers: o.workers,
		Clients: []clientRecord{}, Skipped: append([]string{}, skipped...),
	}
	for _, row := range rows {
		r.Clients = append(r.Clients, clientRecord{
			Server: row.server, Client: row.client, Busy: row.busy.record(), Idle: row.idle.record(),
		})
	}
	return json.NewEncoder(out).Encode(r)
}

func (p pair) record() pairRecord { return pairRecord{Own: recordOf(p.own), Hale: recordOf(p.hale)} }

func recordOf(r trial.Result) resultRecord {
	texts := []string{}
	for _, err := range r.Errors {
		texts = append(texts, err.Error())
	}
	return resultRecord{
		Requests: r.Requests, LongestStall: r.Stall.Seconds(), Hung: r.Hung,
		Noticed: seconds(r.Noticed.Seconds()), Recovered: seconds(r.Recovered.Seconds()),
		Saw: saw(r), Errors: append([]string{}, unique(texts)...),
	}
}

// seconds is nil for what has not happened.
func seconds(s float64) *float64 {
	if s == 0 {
		return nil
	}
	return &s
}
