// Package outage runs a pool of hale's connections through an outage of its
// server, for programs that show what is recorded of one: the pool works under
// load, the server is frozen, the connections die, reconnects fail, the server
// is thawed, and the pool heals.
package outage

import (
	"context"
	"errors"
	"net"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/lab/wait"
	otelhale "example.com/hale/otel"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// PoolName is the name of the pool, in spans and metrics.
const PoolName = "orders"

const (
	conns    = 6
	patience = 500 * time.Millisecond // with a server that is dialled
	healing  = 30 * time.Second       // at most, from the thaw on
)

// keepAlive gives up a silent peer after about two seconds.
var keepAlive = sockopt.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 1}

// pauses are the times between two requests of a worker, one for each worker.
// They are fewer than the connections, some of which are idle at the freeze.
var pauses = []time.Duration{50 * time.Millisecond, 70 * time.Millisecond, 90 * time.Millisecond, 110 * time.Millisecond}

// ErrNotHealed is when the pool was not whole again half a minute after the
// thaw.
var ErrNotHealed = errors.New("outage: the pool has not healed")

// Options say what records the outage, and when it happens.
type Options struct {
	Tracers trace.TracerProvider
	Meters  metric.MeterProvider

	Times

	// Frozen, if it is not nil, is called when the server has just been frozen.
	Frozen func()

	// BeforeClose, if it is not nil, is called when all is over but the pool
	// is still open: its gauges end with it.
	BeforeClose func()
}

// scenario is one run.
type scenario struct {
	Options
	tracer trace.Tracer // of the program that uses hale
	server *loadtest.Server
	pool   *pool.Pool[net.Conn]
	dials  chan struct{} // has one for each that succeeded, up to conns
	healed chan struct{} // has one for each outage that ended, up to one
}

// Run is the whole of it. An error that matches [os.ErrPermission] or
// [errors.ErrUnsupported] means that this machine cannot freeze a server; the
// others are ctx's, [ErrNotHealed], and what stopped it from starting. All
// spans have ended when it returns; flushing the providers is the caller's.
func Run(ctx context.Context, o Options) error {
	server, err := loadtest.Serve("orders", new(loadtest.Account))
	if err != nil {
		return err
	}
	defer server.Close()
	s := &scenario{
		Options: o,
		tracer:  o.Tracers.Tracer("example.com/hale/internal/lab/outage"),
		server:  server,
		dials:   make(chan struct{}, conns),
		healed:  make(chan struct{}, 1),
	}
	if err := s.open(); err != nil {
		return err
	}
	defer s.pool.Close()
	load := loadtest.Load{Pauses: pauses, Use: s.request}.Start()
	err = s.suffer(ctx)
	load.Stop(s.pool.Close)
	if err == nil && o.BeforeClose != nil {
		o.BeforeClose()
	}
	return err
}

// open makes the pool as any program would that wants it traced.
func (s *scenario) open() error {
	telemetry, err := otelhale.New(otelhale.WithTracerProvider(s.Tracers), otelhale.WithMeterProvider(s.Meters))
	if err != nil {
		return err
	}
	orders, err := telemetry.Pool(PoolName)
	if err != nil {
		return err
	}
	dialer := &hale.Dialer{KeepAlive: keepAlive, Observer: hale.Tee(orders.Dialer(), &hale.Observer{DialDone: s.dialDone})}
	s.pool, err = pool.New(pool.Config[net.Conn]{
		Name:        orders.Name(),
		Dial:        func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", s.server.Addr()) },
		MaxConns:    conns,
		MinConns:    conns,
		DialTimeout: patience,
		Observer:    pool.Tee(orders.Observer(), &pool.Observer{OutageEnd: s.outageEnd}),
	})
	if err != nil {
		return errors.Join(err, orders.Close())
	}
	if err := orders.Register(s.pool); err != nil {
		s.pool.Close()
		return err
	}
	return nil
}

func (s *scenario) dialDone(_ context.Context, info hale.DialDoneInfo) {
	if info.Err == nil {
		note(s.dials)
	}
}

func (s *scenario) outageEnd(pool.Outage) { note(s.healed) }

// note sends, if there is room.
func note(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// request is what a worker does, in a span of its own. It is not sent again
// if the connection dies: nobody knows whether the server has run it.
func (s *scenario) request(ctx context.Context, exchange func(net.Conn) error) error {
	ctx, span := s.tracer.Start(ctx, "request")
	defer span.End()
	err := s.pool.Do(ctx, func(_ context.Context, c net.Conn) error { return exchange(c) })
	if err != nil {
		span.SetAttributes(attribute.String("error.type", health.Classify(err).String()))
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

// suffer is what happens to the server while the load runs. The pool is full
// before: a dial that the freeze cuts off would be the first sign of the
// outage, and nobody would know of the silence yet.
func (s *scenario) suffer(ctx context.Context) error {
	for range conns {
		if err := wait.For(ctx, s.dials); err != nil {
			return err
		}
	}
	if err := wait.Sleep(ctx, s.FreezeAfter); err != nil {
		return err
	}
	if err := s.server.Freeze(); err != nil {
		return err
	}
	if s.Frozen != nil {
		s.Frozen()
	}
	if err := wait.Sleep(ctx, s.ThawAfter); err != nil {
		return err
	}
	if err := s.server.Thaw(); err != nil {
		return err
	}
	if err := s.heal(ctx); err != nil {
		return err
	}
	return wait.Sleep(ctx, s.RunOn)
}

func (s *scenario) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, healing, ErrNotHealed)
	defer cancel()
	return wait.For(ctx, s.healed)
}
