package failover

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

// An Observer notes when things happen and prints them. Its hooks only take
// notes, as hooks should, but for that line.
type Observer struct {
	line *timeline.Timeline
	a    string // the address of A

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
	first    time.Time               // reply, see Outcome.Recovered
	healed   bool                    // since the last death
}

// NewObserver returns one that prints to out.
func NewObserver(out io.Writer) *Observer {
	return &Observer{line: &timeline.Timeline{Out: out}, doubtful: make(map[*hale.Conn]struct{})}
}

// freeze is called before it begins.
func (o *Observer) freeze() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.start, o.onA = time.Now(), o.open[0]
	o.say(o.start, "A (%s) is frozen, with %d connections open", o.a, o.onA)
}

// froze is called when it is complete.
func (o *Observer) froze() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.frozen = time.Now()
}

func (o *Observer) thaw() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.thawed = true
	o.say(time.Now(), "A is thawed")
}

func (o *Observer) say(at time.Time, format string, args ...any) { o.line.Print(at, format, args...) }

// after is the time from the freeze to at. The caller holds o.mu.
func (o *Observer) after(at time.Time) time.Duration {
	if o.start.IsZero() || at.IsZero() {
		return -1
	}
	return at.Sub(o.start)
}

// enter enters the times.
func (o *Observer) enter(in *Outcome, stopped time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	in.Detected, in.Recovered, in.Stopped = o.after(o.last), o.after(o.first), o.after(stopped)
}

// replied is told of each good reply.
func (o *Observer) replied(r loadtest.Reply) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.first.IsZero() || o.frozen.IsZero() || r.Asked.Before(o.frozen) {
		return
	}
	o.first = r.Taken
	o.say(r.Taken, "first reply since the freeze, %.2f s after it", o.after(r.Taken).Seconds())
}

// Conns is told about the connections to A and to B.
func (o *Observer) Conns() *hale.Observer {
	return &hale.Observer{
		DialDone: func(_ context.Context, i hale.DialDoneInfo) {
			if i.Conn != nil {
				o.opened(o.server(i.Conn))
			}
		},
		Suspect:   o.suspected,
		Recovered: o.recovered,
		Dead:      func(i hale.DeadInfo) { o.died(i, o.server(i.Conn)) },
		Closed:    func(i hale.ClosedInfo) { o.closed(i.Conn, o.server(i.Conn)) },
	}
}

// server is 0 for a connection to A, 1 for one to B.
func (o *Observer) server(c net.Conn) int {
	if c.RemoteAddr().String() == o.a {
		return 0
	}
	return 1
}

func (o *Observer) opened(server int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open[server]++
	o.heal()
}

func (o *Observer) suspected(i hale.SuspectInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.doubtful[i.Conn] = struct{}{}
	if o.start.IsZero() {
		return
	}
	if o.suspects++; o.suspects > 1 {
		return
	}
	why := fmt.Sprintf("%d bytes unacknowledged", i.Info.Unacked)
	if i.Info.Probes > 0 {
		why = "a probe unanswered"
	}
	o.say(time.Now(), "first suspect: %s, peer silent for %.2f s", why, i.Info.Silence().Seconds())
}

func (o *Observer) recovered(i hale.RecoveredInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.doubtful, i.Conn)
	o.heal()
}

func (o *Observer) died(i hale.DeadInfo, server int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.doubtful[i.Conn] = struct{}{}
	o.healed = false
	switch {
	case server == 1:
		o.say(i.Err.Detected, "a connection to B died, which nobody has frozen: %v", i.Err)
	case o.start.IsZero():
		o.say(i.Err.Detected, "a connection to A died, which is not frozen yet: %v", i.Err)
	default:
		o.diedOfIt(i.Err)
	}
}

// diedOfIt notes a death that the freeze explains. The caller holds o.mu.
func (o *Observer) diedOfIt(dead *health.DeadError) {
	o.last = dead.Detected
	if o.deaths++; o.deaths == 1 {
		o.say(o.last, "first death, with %d connections in doubt: %v", len(o.doubtful), dead)
	}
}

func (o *Observer) closed(c *hale.Conn, server int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.doubtful, c)
	o.open[server]--
	if server == 0 && o.open[0] == 0 && o.deaths == o.onA {
		o.say(time.Now(), "all recycled: %d connections to A have died, none is open", o.deaths)
	}
	o.heal()
}

// heal notes when the pool is whole again. The caller holds o.mu.
func (o *Observer) heal() {
	fromA := o.thawed || o.open[0] == 0 // else there is more to come
	whole := len(o.doubtful) == 0 && o.open[0]+o.open[1] == Conns
	if o.deaths > 0 && !o.healed && fromA && whole {
		o.healed = true
		o.say(time.Now(), "fully healed: %d connections, %d of them to B", Conns, o.open[1])
	}
}

// Pool is told about the pool.
func (o *Observer) Pool() *pool.Observer {
	return &pool.Observer{
		OutageBegin: func(outage pool.Outage) {
			o.say(outage.Detected, "outage %d begins", outage.ID)
		},
		ReconnectDone: func(_ context.Context, i pool.ReconnectDoneInfo) {
			how := "connected"
			if i.Err != nil {
				how = i.Err.Error()
			}
			o.say(time.Now(), "reconnect attempt %d, %.3f s: %s", i.Attempt, i.Duration.Seconds(), how)
		},
		OutageEnd: func(outage pool.Outage) {
			o.say(outage.Ended, "outage %d is over, %.2f s from the beginning of the silence: %d dials, %d connections lost",
				outage.ID, outage.Ended.Sub(outage.Began).Seconds(), outage.Attempts, outage.Lost)
		},
	}
}
