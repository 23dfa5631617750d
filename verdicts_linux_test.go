//go:build linux && !hale_sweep

package hale

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// What a connection's end is called depends on what happened to it, not on
// which call met the error. verdictBudget is within what time it must be known.
const verdictBudget = 3 * time.Second

// A verdictRow is one row of the table: in a state something happens, and whoever
// meets it (a [witness]), all agree. A witness that writes makes an event of its own.
type verdictRow struct {
	state, event string
	want         health.Cause
	written      health.Cause // to a witness that writes; zero is want
	stolen       health.Cause // if the error was given past the Conn; zero is want
	within       time.Duration
	stall        time.Duration // StallTimeout; zero is none
	fin          bool          // the peer closed in good order: reading ends with io.EOF
	open         bool          // that is all: Done stays open, half-close is legal
	paced        bool          // the promise is kept by TCP_RTO_MAX_MS alone
}

// atOnce is zero in a row; a shut window takes four window probes.
const (
	atOnce     = 500 * time.Millisecond
	stallProbe = verdictBudget + 1500*time.Millisecond
)

// What is known only by the error that was stolen, an abort, cannot be told from a
// reset by what is left of it.
var verdicts = []verdictRow{
	{state: "idle", event: "gone", want: health.KeepAliveTimeout, written: health.SendTimeout, within: verdictBudget},
	{state: "idle", event: "gone, then written to", want: health.SendTimeout, within: verdictBudget},
	{state: "idle", event: "gone, then CloseWrite", want: health.SendTimeout, within: verdictBudget},
	{state: "idle", event: "reset", want: health.Reset},
	{state: "idle", event: "aborted", want: health.Aborted, stolen: health.Reset},
	{state: "idle", event: "closed", want: health.PeerClosed, written: health.Reset, open: true, fin: true},
	{state: "idle", event: "closed, then written to", want: health.Reset, fin: true},
	{state: "idle", event: "answered and closed", want: health.PeerClosed, written: health.Reset, open: true, fin: true},
	{state: "idle", event: "answered and closed, then written to", want: health.Reset, fin: true},
	{state: "idle", event: "answered and reset", want: health.Reset},
	{state: "idle", event: "closed by both", want: health.PeerClosed, open: true, fin: true},
	{state: "idle", event: "closed by both, past the Conn", want: health.PeerClosed, open: true, fin: true},
	{state: "idle", event: "silent, then reset", want: health.Reset, within: verdictBudget},
	{state: "idle", event: "silent, written to, then reset", want: health.Reset, within: verdictBudget},
	{state: "idle", event: "silent, then aborted", want: health.Aborted, stolen: health.Reset, within: verdictBudget},
	{state: "in flight", event: "gone", want: health.KeepAliveTimeout, written: health.SendTimeout, within: verdictBudget},
	{state: "in flight", event: "reset", want: health.Reset},
	{state: "in flight", event: "aborted", want: health.Aborted, stolen: health.Reset},
	{state: "in flight", event: "closed", want: health.Reset}, // what it had not read is lost
	{state: "in flight", event: "answered and closed", want: health.Reset},
	{state: "in flight", event: "silent, then reset", want: health.Reset, within: verdictBudget},
	{state: "window shut", event: "gone", want: health.SendTimeout, within: stallProbe, paced: true},
	{state: "window shut", event: "stalled for StallTimeout", want: health.PeerStalled, within: verdictBudget + 2*time.Second, stall: verdictBudget + time.Second},
	{state: "window shut", event: "reset", want: health.Reset},
	{state: "window shut", event: "aborted", want: health.Aborted, stolen: health.Reset},
	{state: "window shut", event: "closed", want: health.Reset},
	{state: "unread", event: "gone", want: health.KeepAliveTimeout, written: health.SendTimeout, within: verdictBudget},
	{state: "unread", event: "reset", want: health.Reset},
	{state: "unread", event: "aborted", want: health.Aborted, stolen: health.Reset},
	{state: "unread", event: "closed", want: health.PeerClosed, written: health.Reset, open: true, fin: true},
	{state: "unread", event: "closed, then written to", want: health.Reset, fin: true},
	{state: "closed for writing", event: "gone", want: health.KeepAliveTimeout, within: verdictBudget},
	{state: "closed for writing", event: "reset", want: health.Reset},
	{state: "closed for writing", event: "aborted", want: health.Aborted, stolen: health.Reset},
	{state: "closed for writing", event: "closed", want: health.PeerClosed, open: true, fin: true},
	{state: "closed for writing", event: "answered and closed", want: health.PeerClosed, open: true, fin: true},
	{state: "closed for writing", event: "answered and reset", want: health.Reset},
	{state: "closed for writing", event: "silent, then reset", want: health.Reset, within: verdictBudget},
	{state: "closed by the peer", event: "gone", want: health.KeepAliveTimeout, written: health.SendTimeout, within: verdictBudget, fin: true},
	{state: "closed by the peer", event: "gone, then written to", want: health.SendTimeout, within: verdictBudget, fin: true},
	{state: "closed by the peer", event: "gone, then CloseWrite", want: health.SendTimeout, within: verdictBudget, fin: true},
	{state: "closed by the peer", event: "reset", want: health.Reset, fin: true},
	{state: "closed by the peer", event: "aborted", want: health.Aborted, stolen: health.Reset, fin: true},
	{state: "closed by the peer", event: "silent, then reset", want: health.Reset, within: verdictBudget, fin: true},
	{state: "closed by the peer", event: "silent, written to, then reset", want: health.Reset, within: verdictBudget, fin: true},
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	busy := newYardstick(t)
	for r, row := range verdicts {
		for i, by := range witnesses {
			if by.writes && (row.state == "closed for writing" || strings.HasPrefix(row.event, "closed by both") || row.event == "gone, then CloseWrite") {
				continue // its own FIN forbids it
			}
			t.Run(row.state+"/"+row.event+"/"+by.name, func(t *testing.T) {
				t.Parallel()
				c, peer := connect(t, row.dialer())
				row.toldTo(by).check(t, by, busy, c, peer)
			})
			t.Run(row.state+"/"+row.event+", adopted/"+by.name, func(t *testing.T) {
				t.Parallel()
				own, peer := testnet.Pair(t)
				if (r+i)%2 == 0 { // which has not dialled
					own, peer = peer, own
				}
				row.toldTo(by).check(t, by, busy, adoptBy(t, row.dialer(), own), peer)
			})
			if !strings.HasPrefix(row.event, "gone") {
				continue
			}
			t.Run(row.state+"/"+row.event+", by numbers/"+by.name, func(t *testing.T) {
				t.Parallel()
				row := row.toldTo(by)
				row.within, row.paced = 20*time.Second, false
				c, peer := connect(t, &Dialer{KeepAlive: numbers})
				row.check(t, by, busy, c, peer)
			})
		}
	}
}

func (row verdictRow) dialer() *Dialer {
	return &Dialer{KeepAlive: sockopt.KeepAlive{Within: verdictBudget, StallTimeout: row.stall}}
}

// toldTo is the row as by makes it come out.
func (row verdictRow) toldTo(by witness) verdictRow {
	switch {
	case by.writes && row.written != health.Unknown:
		row.want, row.open = row.written, false
	case by.steals:
		row.want = cmp.Or(row.stolen, row.want)
	}
	return row
}

// numbers leave an idle peer to the kernel, which tells of it in its own words.
var numbers = sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 2, UserTimeout: verdictBudget}

// A yardstick takes how much later than it should a goroutine runs that has nothing
// but sleep to do: on a machine that is too busy, all of these rows are late by that.
type yardstick struct{ sum atomic.Int64 }

func newYardstick(t *testing.T) *yardstick {
	const step = 5 * time.Millisecond
	y, over, ended := new(yardstick), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for begun := time.Now(); ; begun = time.Now() {
			select {
			case <-over:
				return
			case <-time.After(step):
				y.sum.Add(int64(time.Since(begun) - step))
			}
		}
	}()
	t.Cleanup(func() { close(over); <-ended })
	return y
}

// late is by how much, in all, until now.
func (y *yardstick) late() time.Duration { return time.Duration(y.sum.Load()) }

func (row verdictRow) check(t *testing.T, by witness, busy *yardstick, c *Conn, peer *net.TCPConn) {
	if row.paced {
		testnet.NeedLinux(t, 6, 15, "TCP_RTO_MAX_MS, without which a shut window is asked ever more seldom")
	}
	verdictStates[row.state](t, c, peer)
	var met <-chan error
	if !by.writes {
		met = by.meet(t, c)
	}
	start, late := time.Now(), busy.late()
	verdictEvents[row.event](t, c, peer)
	if by.writes {
		met = by.meet(t, c)
	}
	row.await(t, c)
	if after := time.Since(start) - (busy.late() - late); after > cmp.Or(row.within, atOnce)+100*time.Millisecond {
		t.Errorf("known after %v, of which the machine let this process run", after)
	}
	dead := asDead(t, c.Err())
	if !row.is(by, dead.Cause) {
		t.Errorf("%v, want %v: %+v", dead, row.want, dead.Info)
	}
	if isDone := c.verdict.final() != nil; isDone == row.open {
		t.Errorf("Done is closed: %v", isDone)
	}
	row.agrees(t, c, by, met)
}

// is: of an abort whose error may have been stolen or not, both are true.
func (row verdictRow) is(by witness, cause health.Cause) bool {
	return cause == row.want || by.steals && strings.HasSuffix(row.event, "aborted") && cause == health.Aborted
}

// await waits until the connection knows.
func (row verdictRow) await(t *testing.T, c *Conn) {
	t.Helper()
	if !row.open {
		waitDone(t, c)
		return
	}
	for deadline := time.Now().Add(10 * time.Second); c.Err() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the connection never knew")
		}
	}
}

// agrees holds every call to the same verdict: the one that met the end, and those
// after it. An orderly end is io.EOF to readers, which io.Copy swallows.
func (row verdictRow) agrees(t *testing.T, c *Conn, by witness, met <-chan error) {
	t.Helper()
	switch {
	case met == nil, by.steals: // which may go on
	case by.asks && !row.open:
		row.answers(t, c, by.name, <-met)
	case !by.asks:
		row.tells(t, c, by.name, <-met, row.fin && !by.writes)
	}
	_, err := io.Copy(io.Discard, readerOnly{c})
	row.tells(t, c, "Read", err, row.fin)
	if !row.open {
		_, err := c.Write([]byte("x"))
		row.tells(t, c, "Write", err, false)
		row.tells(t, c, "CloseWrite", c.CloseWrite(), false)
		row.tells(t, c, "CloseRead", c.CloseRead(), false)
	}
	if row.state == "closed for writing" && row.open || strings.HasPrefix(row.event, "closed by both") {
		if _, err := c.Write([]byte("x")); errors.As(err, new(*health.DeadError)) {
			t.Errorf("Write after our own FIN: %v", err)
		}
	}
}

// answers is for a call that does not read: it is told of the death, or of a FIN that was
// first.
func (row verdictRow) answers(t *testing.T, c *Conn, call string, err error) {
	t.Helper()
	var dead *health.DeadError
	if !errors.As(err, &dead) || dead != c.Err() && (!row.fin || dead.Cause != health.PeerClosed) {
		t.Errorf("%s: %v, want %v", call, err, c.Err())
	}
}

func (row verdictRow) tells(t *testing.T, c *Conn, call string, err error, eof bool) {
	t.Helper()
	var dead *health.DeadError
	switch {
	case eof && err != nil:
		t.Errorf("%s: %v, want io.EOF", call, err)
	case !eof && (!errors.As(err, &dead) || dead != c.Err()):
		t.Errorf("%s: %v, want %v", call, err, c.Err())
	}
}

func TestEveryStateAndEventIsInTheTableOfVerdicts(t *testing.T) {
	t.Parallel()
	for state := range verdictStates {
		if !slices.ContainsFunc(verdicts, func(r verdictRow) bool { return r.state == state }) {
			t.Error("no row for", state)
		}
	}
	for event := range verdictEvents {
		if !slices.ContainsFunc(verdicts, func(r verdictRow) bool { return r.event == event }) {
			t.Error("no row for", event)
		}
	}
}

// The table is what a user sees, in the documentation too: docs/verdicts.md, which
// HALE_WRITE_DOCS=1 writes anew.
func TestTheTableOfVerdictsIsInTheDocumentation(t *testing.T) {
	t.Parallel()
	const path, begin, end = "docs/verdicts.md", "<!-- table -->\n", "<!-- end -->\n"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(doc), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no %q and %q", path, begin, end)
	}
	want := before + begin + verdictTable() + end + after
	if os.Getenv("HALE_WRITE_DOCS") == "1" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(doc) != want {
		t.Errorf("%s has another table: HALE_WRITE_DOCS=1 go test -run %s .", path, t.Name())
	}
}

func verdictTable() string {
	var b strings.Builder
	b.WriteString("| the connection was | the peer, or you | Err | after a write | Read ends with | Done |\n|---|---|---|---|---|---|\n")
	for _, r := range verdicts {
		read, done, written := "the death", "closed", cmp.Or(r.written, r.want).String()
		if r.fin {
			read = "`io.EOF`"
		}
		if r.open {
			done = "open"
		}
		if r.state == "closed for writing" {
			written = "" // which is EPIPE, and no death
		}
		cause := "`" + r.want.String() + "`"
		if r.stolen != health.Unknown {
			cause += " (`" + r.stolen.String() + "` if the error was taken past the Conn)"
		}
		if written != "" {
			written = "`" + written + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.state, r.event, cause, written, read, done)
	}
	return b.String()
}
