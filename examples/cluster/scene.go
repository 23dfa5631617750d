package main

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/timeline"
	"example.com/hale/internal/lab/wait"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
	"example.com/hale/sockopt"
)

// pauses are the times between two requests of a worker, one for each worker.
var pauses = slices.Repeat([]time.Duration{2 * time.Millisecond, 20 * time.Millisecond}, 4)

// A scene is servers, a cluster of connections to them, and what happens.
type scene struct {
	options
	story   timeline.Timeline
	account loadtest.Account
	servers map[string]*loadtest.Server // by name
	cluster *cluster.Cluster[net.Conn]
	update  chan []cluster.Endpoint // what the resolver says
	updated chan error              // what came of it

	pageAt   string // where the live page is
	stopPage func()

	mu       sync.Mutex        // guards what follows
	names    map[string]string // of the servers, by address
	phases   []phase
	aDown    time.Time // when A was known to be
	drained  bool
	failures int // after that
	resent   int // requests of which a byte had left, and that were begun again
	toB      int // after it was drained
}

// A phase is the time between two things that happen, and who replied in it.
type phase struct {
	name string
	by   map[string]int
}

func (p phase) total() (n int) {
	for _, m := range p.by {
		n += m
	}
	return n
}

func newScene(o options, out io.Writer) *scene {
	return &scene{
		options: o, story: timeline.Timeline{Out: out}, servers: map[string]*loadtest.Server{},
		names: map[string]string{}, update: make(chan []cluster.Endpoint), updated: make(chan error, 1),
	}
}

// open starts A, B and C, and the cluster.
func (s *scene) open() (err error) {
	for _, name := range []string{"A", "B", "C"} {
		if err = s.serve(name); err != nil {
			return err
		}
	}
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(s.within)}
	s.cluster, err = cluster.New(cluster.Config[net.Conn]{
		Name:  "demo",
		Watch: s.watch,
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", e.Address)
		},
		MaxConns:  16,
		SlowStart: s.step / 2,
		Pool:      pool.Config[net.Conn]{MinConns: 1, DialTimeout: s.within},
		PoolObserver: func(e cluster.Endpoint) *pool.Observer {
			return &pool.Observer{
				OutageBegin: func(o pool.Outage) { s.outage(e, o) },
				OutageEnd: func(o pool.Outage) {
					if o.Healed {
						s.tell("%s is reached again", s.name(e.Address))
					}
				},
			}
		},
		Observer: &cluster.Observer{
			Resolved: func(i cluster.ResolvedInfo) { s.tell("the resolver says %s", s.list(i.Endpoints)) },
			Ejected:  func(i cluster.EjectedInfo) { s.tell("%s is ejected: %v", s.name(i.Endpoint.Address), i) },
			Panic:    func(i cluster.PanicInfo) { s.tell("panic mode: %v", i) },
		},
	})
	return err
}

// watch is the resolver: it tells what the scene says.
func (s *scene) watch(ctx context.Context, update func([]cluster.Endpoint) error) error {
	for {
		select {
		case all := <-s.update:
			s.updated <- update(all)
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *scene) serve(name string) error {
	server, err := loadtest.Serve(name, &s.account)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers[name], s.names[server.Addr()] = server, name
	return nil
}

// resolve has the resolver say which servers there are.
func (s *scene) resolve(names ...string) error {
	var all []cluster.Endpoint
	for _, name := range names {
		all = append(all, cluster.Endpoint{Address: s.servers[name].Addr()})
	}
	s.update <- all
	return <-s.updated
}

// play is what happens.
func (s *scene) play(ctx context.Context) (r report, err error) {
	if err := s.resolve("A", "B", "C"); err != nil {
		return r, err
	}
	if err := s.cluster.WaitReady(ctx); err != nil {
		return r, program.ErrInterrupted
	}
	s.begin("all is well")
	run := loadtest.Load{Pauses: pauses, Use: s.use, Replied: s.replied}.Start()
	err = s.happen(ctx)
	r.Result = run.Stop(func() { s.cluster.Close() })
	s.mu.Lock()
	defer s.mu.Unlock()
	r.options, r.Duplicated, r.phases = s.options, s.account.Duplicated(), s.phases
	r.resent, r.lateFailures, r.afterDrain, r.stats = s.resent, s.failures, s.toB, s.cluster.Stats()
	return r, err
}

func (s *scene) happen(ctx context.Context) error {
	for _, next := range []struct {
		phase string
		after time.Duration
		do    func() error
	}{
		{"A is frozen", s.step, func() error { return program.Freezing(s.servers["A"].Freeze()) }},
		{"B is drained", s.within + s.step, func() error { return s.drain() }},
		{"D is added", s.step, func() error { return s.add() }},
		{"D is warm", s.step, func() error { return nil }},
	} {
		if wait.Sleep(ctx, next.after) != nil {
			return program.ErrInterrupted
		}
		if err := next.do(); err != nil {
			return err
		}
		s.begin(next.phase)
	}
	if wait.Sleep(ctx, s.step) != nil {
		return program.ErrInterrupted
	}
	return nil
}

// use is a request.
func (s *scene) use(ctx context.Context, fn func(net.Conn) error) error {
	began, wrote := time.Now(), 0
	err := s.cluster.Do(ctx, func(_ context.Context, c net.Conn) error {
		if wrote > 0 {
			s.mu.Lock()
			s.resent++
			s.mu.Unlock()
		}
		return fn(counted{c.(*hale.Conn), &wrote})
	})
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.aDown.IsZero() && began.After(s.aDown) {
			s.failures++
		}
	}
	return err
}

// counted counts what is written, which a server that is frozen does not get.
type counted struct {
	*hale.Conn
	wrote *int
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	*c.wrote += n
	return n, err
}

// drain takes B out of what the resolver says. What is under way to it goes on.
func (s *scene) drain() error {
	if err := s.resolve("A", "C"); err != nil {
		return err
	}
	for s.draining() {
		time.Sleep(time.Millisecond) // a request takes less
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained = true
	return nil
}

// draining reports whether there are connections to B.
func (s *scene) draining() bool {
	b := s.servers["B"].Addr()
	return slices.ContainsFunc(s.cluster.Stats().Endpoints, func(e cluster.EndpointStats) bool { return e.Endpoint.Address == b })
}

// add starts D.
func (s *scene) add() error {
	if err := s.serve("D"); err != nil {
		return err
	}
	return s.resolve("A", "C", "D")
}

// begin begins a phase.
func (s *scene) begin(name string) {
	s.tell("%s", name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phases = append(s.phases, phase{name: name, by: map[string]int{}})
}

// replied takes note of a good reply.
func (s *scene) replied(r loadtest.Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.names[r.Conn.RemoteAddr().String()]
	s.phases[len(s.phases)-1].by[name]++
	if name == "B" && s.drained {
		s.toB++
	}
}

func (s *scene) outage(e cluster.Endpoint, o pool.Outage) {
	name := s.name(e.Address)
	s.tell("%s is down: %v", name, o)
	if name == "A" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.aDown = time.Now()
	}
}

func (s *scene) tell(format string, args ...any) { s.story.Print(time.Now(), format, args...) }

// name is the name of a server.
func (s *scene) name(address string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[address]
}

func (s *scene) list(all []cluster.Endpoint) (names []string) {
	for _, e := range all {
		names = append(names, s.name(e.Address))
	}
	return names
}

func (s *scene) close() {
	if s.stopPage != nil {
		s.stopPage()
	}
	if s.cluster != nil {
		s.cluster.Close()
	}
	for _, server := range s.servers {
		server.Close()
	}
}
