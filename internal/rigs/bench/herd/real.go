package herd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/child"
	"example.com/hale/pool"
)

const role = "bench-herd"

// order is what a process of clients is to do: so many pools of one connection.
type order struct {
	Schedule, Clients int
	Addr              string
}

// ending is how many the server has admitted.
type ending struct{ Inside int }

// report is what they did, in nanoseconds since 1970.
type report struct {
	Attempts, Admitted []int64
	Err                string
}

// Be makes this process one of clients, if it was started for that.
func Be() {
	child.Be(role, func() error {
		in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
		var o order
		if err := in.Decode(&o); err != nil {
			return err
		}
		h, err := o.begin()
		if err != nil {
			return out.Encode(report{Err: err.Error()})
		}
		if err := out.Encode(report{}); err != nil {
			return err
		}
		var last ending
		if err := in.Decode(&last); err != nil {
			return err
		}
		if err := out.Encode(h.end(last)); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, os.Stdin) // until it is killed: what it said would go with it
		return err
	})
}

// clients are pools, and what they have done.
type clients struct {
	pools []*pool.Pool[net.Conn]

	mu sync.Mutex // guards what follows
	report
}

// begin opens the pools, and waits until all have their connection.
func (o order) begin() (*clients, error) {
	h := new(clients)
	dialer := new(hale.Dialer)
	config := pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			h.note(&h.Attempts)
			return dialer.DialContext(ctx, "tcp", o.Addr)
		},
		Open: func(_ context.Context, c net.Conn) (net.Conn, error) {
			_, err := io.ReadFull(c, make([]byte, 1)) // the server's word that it is admitted
			if err == nil {
				h.note(&h.Admitted)
			}
			return c, err
		},
		MaxConns: 1, MinConns: 1, StableAfter: time.Millisecond, Backoff: schedules[o.Schedule].begin,
	}
	for range o.Clients {
		p, err := pool.New(config)
		if err != nil {
			return nil, err
		}
		h.pools = append(h.pools, p)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, p := range h.pools {
		if err := p.WaitReady(ctx); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	h.report = report{}
	h.mu.Unlock()
	return h, nil
}

func (h *clients) note(times *[]int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*times = append(*times, time.Now().UnixNano())
}

// end is what they did, once they know of all that were admitted; they end with the
// process.
func (h *clients) end(last ending) report {
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		r := h.report
		h.mu.Unlock()
		if len(r.Admitted) >= last.Inside || time.Since(start) > 5*time.Second {
			return r
		}
	}
}

// A gate is the endpoint.
type gate struct {
	addr     string
	capacity int

	mu       sync.Mutex // guards what follows
	listener net.Listener
	open     []net.Conn
	limited  bool
	window   int64
	admitted int // in the window
	inside   int // since it is limited
}

func newGate(capacity int) (*gate, error) {
	g := &gate{capacity: capacity}
	// Not a port that the kernel gives to those who dial: while nobody listens, one
	// of them could be connected to itself.
	var err error
	for port := 20_000; port < 30_000; port += 7 {
		g.addr = fmt.Sprintf("127.0.0.1:%d", port)
		if err = g.listen(); err == nil {
			return g, nil
		}
	}
	return nil, err
}

func (g *gate) listen() error {
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", g.addr)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.listener = l
	g.mu.Unlock()
	go g.accept(l)
	return nil
}

func (g *gate) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		g.admit(c)
	}
}

// admit lets a few in, in each window, once it is limited.
func (g *gate) admit(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now().UnixNano() / int64(window); now != g.window {
		g.window, g.admitted = now, 0
	}
	if g.limited && g.admitted >= g.capacity {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
		return
	}
	g.admitted++
	g.inside++
	g.open = append(g.open, c)
	_, _ = c.Write([]byte{1})
}

// close ends all, by RST.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		g.listener.Close()
		g.listener = nil
	}
	for _, c := range g.open {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	g.open = nil
}

// isInside is how many were admitted since the return.
func (g *gate) isInside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}

// real has as many clients in a process, whose pools reconnect by a schedule, and
// a server in this one.
func real(ctx context.Context, clients, schedule int, w world) (o outcome, err error) {
	g, err := newGate(w.capacity)
	if err != nil {
		return o, err
	}
	defer g.close()
	p, err := child.Start(ctx, role)
	if err != nil {
		return o, err
	}
	defer p.Kill()
	if _, err := tell(p, order{Schedule: schedule, Clients: clients, Addr: g.addr}); err != nil {
		return o, err
	}
	begin := time.Now()
	g.close()
	if err := sleepUntil(ctx, begin.Add(w.down)); err != nil {
		return o, err
	}
	g.mu.Lock()
	g.limited, g.inside = true, 0
	g.mu.Unlock()
	if err := g.listen(); err != nil {
		return o, err
	}
	for g.isInside() < clients && time.Since(begin) < w.horizon {
		if err := sleepUntil(ctx, time.Now().Add(20*time.Millisecond)); err != nil {
			return o, err
		}
	}
	r, err := tell(p, ending{g.isInside()})
	if err != nil {
		return o, err
	}
	if len(r.Attempts) < clients {
		return o, fmt.Errorf("%d attempts of %d clients", len(r.Attempts), clients)
	}
	return r.outcome(clients, w, begin), nil
}

// tell gives an order, and returns the answer.
func tell(p *child.Process, what any) (r report, err error) {
	text, err := json.Marshal(what)
	if err != nil {
		return r, err
	}
	answer, err := p.Ask(string(text))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		return r, err
	}
	if r.Err != "" {
		return r, errors.New("the clients: " + r.Err)
	}
	return r, nil
}

func sleepUntil(ctx context.Context, at time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(at)):
		return nil
	}
}

// outcome is the report as a simulation would have it.
func (r report) outcome(clients int, w world, begin time.Time) outcome {
	o := outcome{clients: clients, attempts: make([]int, w.horizon/window+1)}
	for _, ns := range r.Attempts {
		if n := int(time.Duration(ns-begin.UnixNano()) / window); n >= 0 && n < len(o.attempts) {
			o.attempts[n]++
		}
	}
	for _, ns := range r.Admitted {
		o.back = append(o.back, (time.Duration(ns-begin.UnixNano()) - w.down).Seconds())
	}
	slices.Sort(o.back)
	slices.Sort(r.Attempts) // the first of each client come before the second of any, but for a few
	for i := range clients {
		o.first = append(o.first, max(0, time.Duration(r.Attempts[min(i, len(r.Attempts)-1)]-begin.UnixNano())))
	}
	return o
}
