package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/lab/timeline"
	"example.com/hale/pool"
)

// A witness notes when things happen and prints them. Its hooks only take
// notes, as hooks should, but for that line.
type witness struct {
	line *timeline.Timeline

	mu       sync.Mutex // guards what follows
	start    time.Time  // of the freeze
	frozen   time.Time  // when it was complete
	thawed   bool
	onA      int                     // connections to A at the freeze
	open     [2]int                  // connections to A and to B
	doubtful map[*hale.Conn]struct{} // open, and suspect or dead
	suspects int                     // since the freeze
	deaths   int                     // since the freeze
	last     time.Time               // death
	first    time.Time               // reply, see outcome.recovered
	healed   bool                    // since the last death
}

func newWitness(out io.Writer) *witness {
	return &witness{line: &timeline.Timeline{Out: out}, doubtful: make(map[*hale.Conn]struct{})}
}

// freeze is called before it begins.
func (w *witness) freeze(a *loadtest.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.start, w.onA = time.Now(), w.open[0]
	w.say(w.start, "A (%s) is frozen, with %d connections open", a.Addr(), w.onA)
}

// froze is called when it is complete.
func (w *witness) froze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = time.Now()
}

func (w *witness) thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.thawed = true
	w.say(time.Now(), "A is thawed")
}

func (w *witness) say(at time.Time, format string, args ...any) { w.line.Print(at, format, args...) }

// after is the time from the freeze to at. The caller holds w.mu.
func (w *witness) after(at time.Time) time.Duration {
	if w.start.IsZero() || at.IsZero() {
		return -1
	}
	return at.Sub(w.start)
}

// account enters the times.
func (w *witness) account(o *outcome, stopped time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o.detected, o.recovered, o.stopped = w.after(w.last), w.after(w.first), w.after(stopped)
}

// replied is told of each good reply.
func (w *witness) replied(r loadtest.Reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.first.IsZero() || w.frozen.IsZero() || r.Asked.Before(w.frozen) {
		return
	}
	w.first = r.Taken
	w.say(r.Taken, "first reply since the freeze, %.2f s after it", w.after(r.Taken).Seconds())
}

// connObserver is told about the connections to A and to B.
func (w *witness) connObserver(t *trial) *hale.Observer {
	to := func(c net.Conn) int {
		if c.RemoteAddr().String() == t.a.Addr() {
			return 0
		}
		return 1
	}
	return &hale.Observer{
		DialDone: func(_ context.Context, i hale.DialDoneInfo) {
			if i.Conn != nil {
				w.opened(to(i.Conn))
			}
		},
		Suspect:   w.suspected,
		Recovered: w.recovered,
		Dead:      func(i hale.DeadInfo) { w.died(i, to(i.Conn)) },
		Closed:    func(i hale.ClosedInfo) { w.closed(i.Conn, to(i.Conn)) },
	}
}

func (w *witness) opened(server int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[server]++
	w.heal()
}

func (w *witness) suspected(i hale.SuspectInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubtful[i.Conn] = struct{}{}
	if w.start.IsZero() {
		return
	}
	if w.suspects++; w.suspects > 1 {
		return
	}
	why := fmt.Sprintf("%d bytes unacknowledged", i.Info.Unacked)
	if i.Info.Probes > 0 {
		why = "a probe unanswered"
	}
	w.say(time.Now(), "first suspect: %s, peer silent for %.2f s", why, i.Info.Silence().Seconds())
}

func (w *witness) recovered(i hale.RecoveredInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.doubtful, i.Conn)
	w.heal()
}

func (w *witness) died(i hale.DeadInfo, server int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubtful[i.Conn] = struct{}{}
	w.healed = false
	switch {
	case server == 1:
		w.say(i.Err.Detected, "a connection to B died, which nobody has frozen: %v", i.Err)
	case w.start.IsZero():
		w.say(i.Err.Detected, "a connection to A died, which is not frozen yet: %v", i.Err)
	default:
		w.diedOfIt(i.Err)
	}
}

// diedOfIt notes a death that the freeze explains. The caller holds w.mu.
func (w *witness) diedOfIt(dead *health.DeadError) {
	w.last = dead.Detected
	if w.deaths++; w.deaths == 1 {
		w.say(w.last, "first death, with %d connections in doubt: %v", len(w.doubtful), dead)
	}
}

func (w *witness) closed(c *hale.Conn, server int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.doubtful, c)
	w.open[server]--
	if server == 0 && w.open[0] == 0 && w.deaths == w.onA {
		w.say(time.Now(), "all recycled: %d connections to A have died, none is open", w.deaths)
	}
	w.heal()
}

// heal notes when the pool is whole again. The caller holds w.mu.
func (w *witness) heal() {
	fromA := w.thawed || w.open[0] == 0 // else there is more to come
	whole := len(w.doubtful) == 0 && w.open[0]+w.open[1] == conns
	if w.deaths > 0 && !w.healed && fromA && whole {
		w.healed = true
		w.say(time.Now(), "fully healed: %d connections, %d of them to B", conns, w.open[1])
	}
}

// poolObserver is told about the pool.
func (w *witness) poolObserver() *pool.Observer {
	return &pool.Observer{
		OutageBegin: func(o pool.Outage) {
			w.say(o.Detected, "outage %d begins", o.ID)
		},
		ReconnectDone: func(_ context.Context, i pool.ReconnectDoneInfo) {
			how := "connected"
			if i.Err != nil {
				how = i.Err.Error()
			}
			w.say(time.Now(), "reconnect attempt %d, %.3f s: %s", i.Attempt, i.Duration.Seconds(), how)
		},
		OutageEnd: func(o pool.Outage) {
			w.say(o.Ended, "outage %d is over, %.2f s from the beginning of the silence: %d dials, %d connections lost",
				o.ID, o.Ended.Sub(o.Began).Seconds(), o.Attempts, o.Lost)
		},
	}
}
