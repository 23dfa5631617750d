// Package client is hale in a process or a machine that itself stands still, while
// its peers live on: connections of every kind, and a pool with a little load. It
// counts what it is told.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/rigs/machines/server"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// A Status is what a client has seen so far.
type Status struct {
	Replied, Failed           int64 // requests
	Deaths                    int64 // of all connections
	Ended                     int64 // reads and writes that ended by an error
	Suspects, Recovered       int64
	Outages, Evicted          int64
	LongestGap, LongestByWall float64 // seconds between two ticks that are a tenth of a second apart
}

// statusWord begins a line that has a Status.
const statusWord = "status "

// ParseStatus reads the last Status in what a client has printed.
func ParseStatus(printed string) (s Status, ok bool) {
	i := strings.LastIndex(printed, statusWord)
	if i < 0 {
		return s, false
	}
	line, _, whole := strings.Cut(printed[i+len(statusWord):], "\n")
	if !whole { // it is being printed; the one before is as good
		return ParseStatus(printed[:i])
	}
	return s, json.Unmarshal([]byte(line), &s) == nil
}

// Options are what a client does.
type Options struct {
	Server string // its host
	Within time.Duration
	Idle   int // connections that nobody uses
	Busy   int // connections that always have data in flight
}

// Client is a client at work.
type Client struct {
	options Options
	out     io.Writer
	began   time.Time

	replied, failed, deaths, ended, suspects, recovered, outages, evicted atomic.Int64

	mu sync.Mutex // guards out
}

// Run connects, prints "ready", and goes on until the process ends. It prints
// whatever happens, and its Status five times a second.
func Run(o Options, out io.Writer) error {
	c := &Client{options: o, out: out, began: time.Now()}
	for range o.Idle {
		if err := c.start("idle", server.Greeter, receive); err != nil {
			return err
		}
	}
	for range o.Busy {
		if err := c.start("busy", server.Greeter, send); err != nil {
			return err
		}
	}
	if err := c.start("stalled", server.Deaf, fill); err != nil {
		return err
	}
	if err := c.start("stream", server.Stream, receive); err != nil {
		return err
	}
	// One that checks by a round trip of its own, and one that leaves it to the kernel.
	for _, heartbeat := range []bool{true, false} {
		if err := c.load(heartbeat); err != nil {
			return err
		}
	}
	c.say("ready")
	c.tick()
	return nil
}

// say prints a line, with the time since the start.
func (c *Client) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, "%8.3f %s\n", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...))
}

// observer counts and prints what happens to connections of a kind.
func (c *Client) observer(kind string) *hale.Observer {
	return &hale.Observer{
		Dead: func(i hale.DeadInfo) {
			c.deaths.Add(1)
			c.say("%s died: %v, silence %v, unanswered %v, %+v", kind, i.Err, i.Err.Silence, i.Err.Unanswered, i.Err.Info)
		},
		Suspect:   func(hale.SuspectInfo) { c.suspects.Add(1); c.say("%s is suspect", kind) },
		Recovered: func(hale.RecoveredInfo) { c.recovered.Add(1); c.say("%s has recovered", kind) },
	}
}

func (c *Client) dial(ctx context.Context, kind string, port int) (net.Conn, error) {
	d := hale.Dialer{KeepAlive: sockopt.Within(c.options.Within), Observer: c.observer(kind)}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(c.options.Server, strconv.Itoa(port)))
}

// start makes a connection and uses it.
func (c *Client) start(kind string, port int, use func(net.Conn) error) error {
	conn, err := c.dial(context.Background(), kind, port)
	if err != nil {
		return err
	}
	if err := conn.(*hale.Conn).Unwatched(); err != nil {
		c.say("%s: %v", kind, err)
	}
	go func() {
		err := use(conn)
		c.ended.Add(1)
		c.say("%s: %v", kind, err)
	}()
	return nil
}

func receive(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	return err
}

func send(conn net.Conn) error {
	for b := make([]byte, 200); ; time.Sleep(5 * time.Millisecond) {
		if _, err := conn.Write(b); err != nil {
			return err
		}
	}
}

func fill(conn net.Conn) error {
	for b := make([]byte, 32<<10); ; {
		if _, err := conn.Write(b); err != nil {
			return err
		}
	}
}

// load starts a pool with four callers.
func (c *Client) load(heartbeat bool) error {
	var checks atomic.Uint64
	config := pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return c.dial(ctx, "pooled", server.Requests)
		},
		MaxConns: 8, MinConns: 4,
		Observer: &pool.Observer{
			OutageBegin: func(o pool.Outage) { c.outages.Add(1); c.say("outage begins: %v", o) },
			OutageEnd:   func(o pool.Outage) { c.say("outage ends: %v", o) },
			Evict:       func(i pool.EvictInfo) { c.evicted.Add(1); c.say("evicted: %s %s %v", i.Reason, i.Detail, i.Err) },
		},
	}
	if heartbeat {
		config.Heartbeat = 500 * time.Millisecond
		config.Check = func(_ context.Context, conn net.Conn) error {
			return loadtest.Exchange(conn, 1<<63+checks.Add(1))
		}
	}
	p, err := pool.New(config)
	if err != nil {
		return err
	}
	loadtest.Load{
		Pauses: []time.Duration{20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond},
		Use: func(ctx context.Context, fn func(net.Conn) error) error {
			err := p.Do(ctx, func(_ context.Context, conn net.Conn) error { return fn(conn) })
			if err != nil {
				c.failed.Add(1)
				c.say("request: %v", err)
			}
			return err
		},
		Replied: func(loadtest.Reply) { c.replied.Add(1) },
	}.Start()
	return nil
}

// tick prints the Status for as long as the process runs.
func (c *Client) tick() {
	var s Status
	last := time.Now()
	for i := 0; ; i++ {
		time.Sleep(100 * time.Millisecond)
		now := time.Now()
		s.LongestGap = max(s.LongestGap, now.Sub(last).Seconds())
		s.LongestByWall = max(s.LongestByWall, now.Round(0).Sub(last.Round(0)).Seconds())
		last = now
		if i%2 != 0 {
			continue
		}
		s.Replied, s.Failed, s.Deaths, s.Ended = c.replied.Load(), c.failed.Load(), c.deaths.Load(), c.ended.Load()
		s.Suspects, s.Recovered = c.suspects.Load(), c.recovered.Load()
		s.Outages, s.Evicted = c.outages.Load(), c.evicted.Load()
		line, err := json.Marshal(s)
		if err != nil {
			panic(err) // there is nothing in it that cannot be encoded
		}
		c.say("%s%s", statusWord, line)
	}
}
