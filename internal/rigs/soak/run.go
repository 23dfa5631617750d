package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale"
	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/timeline"
	"example.com/hale/internal/lab/wait"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// A soaking is a run.
type soaking struct {
	options
	line     *timeline.Timeline
	findings findings
	account  *account
	downtime downtime
	history  history
	outages  outages
	tally    tally
	servers  [2]*process
	name     *nameServer
	pool     *pool.Pool[*session]
	load     load

	faults map[kind]int
	active []fault // started, and not healed
	before sample  // before the pool
	quiet  []sample
	after  sample // after the pool
	stats  pool.Stats
	lasted time.Duration // the load
}

// run is the whole of it. An error of the machinery comes after the report.
func run(ctx context.Context, o options, out io.Writer) error {
	s := &soaking{options: o, line: &timeline.Timeline{Out: out}, faults: make(map[kind]int)}
	show := s.printReport
	if o.json {
		s.line.Out, show = io.Discard, s.printJSON
	}
	s.account = newAccount(&s.findings)
	s.outages = outages{options: o, findings: &s.findings, history: &s.history}
	s.tally = tally{options: o, findings: &s.findings, downtime: &s.downtime, history: &s.history, counts: counts{errors: make(map[string]int)}}
	if !o.json {
		s.printHead(out)
	}
	err := s.measure(ctx)
	if err != nil && len(s.quiet) == 0 {
		return err // there is nothing to report
	}
	if ctx.Err() != nil {
		err = cmp.Or(err, program.ErrInterrupted)
	}
	bad := verdict(s.findings.all())
	if err := show(out, bad); err != nil {
		return err
	}
	if bad != nil {
		return bad
	}
	return err
}

// measure starts everything, and ends it.
func (s *soaking) measure(ctx context.Context) (err error) {
	if s.servers, err = startAll(s.account); err != nil {
		return err
	}
	defer func() {
		for _, p := range s.servers {
			p.close()
		}
	}()
	if s.name, err = newNameServer(hosts[0]); err != nil {
		return err
	}
	defer s.name.close()
	if s.before, err = still("before the pool", 0); err != nil {
		return err
	}
	if s.pool, err = s.newPool(); err != nil {
		return err
	}
	s.load = load{options: s.options, pool: s.pool, account: s.account, findings: &s.findings, tally: &s.tally, history: &s.history}
	err = s.work(ctx)
	return errors.Join(err, s.wind(err))
}

func (s *soaking) newPool() (*pool.Pool[*session], error) {
	dialer := &hale.Dialer{
		NetDialer: &net.Dialer{Resolver: s.name.resolver()},
		KeepAlive: sockopt.Within(s.within),
		Strict:    true,
		Observer:  &hale.Observer{Dead: s.tally.died},
	}
	address := net.JoinHostPort(hostName, portOf(s.servers[0].address))
	return pool.New(pool.Config[*session]{
		Dial:            func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", address) },
		Open:            open,
		Check:           check,
		Reset:           resync,
		MaxConns:        s.conns(),
		MinConns:        s.conns() / 3,
		MinIdleConns:    s.conns() / 4,
		MaxConnLifetime: 20 * time.Second,
		MaxConnIdleTime: 5 * time.Second,
		DialTimeout:     dialTimeout,
		CheckAfter:      2 * time.Second,
		Heartbeat:       time.Second,
		Monitor:         pool.Monitor{After: time.Second}, // a stopped server is known before the deadline of those that wait
		FailFast:        s.fast,
		Observer:        pool.Tee(s.outages.observe(), &pool.Observer{Evict: s.tally.evicted}),
		Backoff: func() backoff.BackOff {
			return backoff.NewExponentialBackOff(backoff.WithInitialInterval(20*time.Millisecond),
				backoff.WithMaxInterval(longestPause*2/3), // and half of that by chance
				backoff.WithMaxElapsedTime(0))
		},
	})
}

// work is the load, and the faults that come over it.
func (s *soaking) work(ctx context.Context) error {
	loaded, end := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	s.load.start(loaded, &workers)
	start := time.Now()
	s.line.Print(start, "the load begins")
	err := s.suffer(ctx, start)
	if healErr := s.healAll(); err == nil {
		err = healErr
	}
	if err == nil {
		err = s.rest("at the end")
	}
	end()
	s.lasted = time.Since(start)
	if !errors.Is(err, errStuck) {
		workers.Wait()
	}
	return err
}

// suffer makes the faults come, round after round. ctx ends it early, which is
// no error.
func (s *soaking) suffer(ctx context.Context, start time.Time) error {
	if sleepUntil(ctx, start.Add(warmUp)) != nil {
		return nil
	}
	if err := s.rest("after warm-up"); err != nil {
		return err
	}
	for i, r := range plan(s.options) {
		// A quiet moment may have taken longer than was planned.
		origin := later(start, time.Now().Add(-r.start))
		if err := s.round(ctx, origin, r); err != nil {
			return err
		}
		if sleepUntil(ctx, origin.Add(r.end+calm)) != nil {
			return nil
		}
		if err := s.rest(fmt.Sprintf("after round %d", i+1)); err != nil {
			return err
		}
	}
	_ = sleepUntil(ctx, start.Add(s.total))
	return nil
}

// An event is the start or the end of a fault.
type event struct {
	at    time.Duration
	fault fault
	heals bool
}

// events are those of a round, in order.
func (r round) events() []event {
	var events []event
	for _, f := range r.faults {
		events = append(events, event{at: f.start, fault: f})
		if f.heals() {
			events = append(events, event{at: f.end, fault: f, heals: true})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return events
}

func (s *soaking) round(ctx context.Context, origin time.Time, r round) error {
	for _, e := range r.events() {
		if sleepUntil(ctx, origin.Add(e.at)) != nil {
			return nil
		}
		do := s.inject
		if e.heals {
			do = s.heal
		}
		if err := do(e.fault); err != nil {
			return err
		}
	}
	return nil
}

func (s *soaking) healAll() error {
	var errs []error
	for _, f := range slices.Clone(s.active) {
		errs = append(errs, s.heal(f))
	}
	return errors.Join(errs...)
}

// wind ends the pool and looks at what is left. failed is why, if it was not
// the end of the time.
func (s *soaking) wind(failed error) error {
	s.stats = s.pool.Stats()
	if errors.Is(failed, errStuck) {
		return nil // it would have to be waited for
	}
	ctx, cancel := context.WithTimeout(context.Background(), settling)
	defer cancel()
	if aborted, err := s.pool.Shutdown(ctx); err != nil {
		s.findings.add(checkPlaces, "%d connections were in use when nobody had any", aborted)
	}
	if failed != nil {
		return nil
	}
	if err := s.settle(); err != nil {
		return err
	}
	var err error
	if s.after, err = settled("after the pool", 0, s.before); err != nil {
		return err
	}
	s.compare(s.before, s.after)
	s.outages.counted(s.stats)
	s.findings.compareHeap(s.quiet)
	return nil
}

// settle has the account complete and balanced. No request may be under way.
func (s *soaking) settle() error {
	for _, p := range s.servers {
		if err := p.settle(); err != nil {
			return err
		}
	}
	s.account.balance()
	return nil
}

// compare shows what is left of goroutines if it is more than there was.
func (s *soaking) compare(before, now sample) {
	if s.findings.compare(before, now) {
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
	}
}

func sleepUntil(ctx context.Context, t time.Time) error { return wait.Sleep(ctx, time.Until(t)) }
