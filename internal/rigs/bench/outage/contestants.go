package outage

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jackc/puddle/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"example.com/hale"
	"example.com/hale/internal/pauses"
	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// conns is how many connections each may have, and how many callers there are.
const conns = 8

// limit is what each request may take, and each dial, where the settings are the
// best that are documented.
const limit = 3 * time.Second

// A contestant makes requests to a server of its own.
type contestant struct {
	name, settings string
	limited        bool // each request has a ctx of limit
	serve          func() (*fake.Server, error)
	// open returns what makes a request. All dials go through the line.
	open func(addr string, l *line) (request func(ctx context.Context) error, end func(), err error)
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

func speaking(speak func(net.Conn)) func() (*fake.Server, error) {
	return func() (*fake.Server, error) { return fake.Start(speak) }
}

var contestants = []contestant{
	{"hale", "defaults: Within(30s)", false, speaking(fake.Echo), openHale(hale.Dialer{}, pool.Config[net.Conn]{})},
	{"hale", "Within(3s), DialTimeout 1s, FailFast; deadline of 3s for each request", true, speaking(fake.Echo), openHale(
		hale.Dialer{KeepAlive: sockopt.Within(limit)}, pool.Config[net.Conn]{DialTimeout: time.Second, FailFast: true})},
	{"hale", "Within(3s), DialTimeout 1s, Backoff to 1s; deadline of 3s for each request", true, speaking(fake.Echo), openHale(
		hale.Dialer{KeepAlive: sockopt.Within(limit)}, pool.Config[net.Conn]{DialTimeout: time.Second, Backoff: soon})},
	{"puddle", "a zero net.Dialer", false, speaking(fake.Echo), openPuddle(&net.Dialer{})},
	{"puddle", "net.Dialer: Timeout 3s, KeepAliveConfig 1s/1s/3; deadline of 3s for each request", true, speaking(fake.Echo), openPuddle(&net.Dialer{
		Timeout: limit, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3},
	})},
	{"pgxpool", "defaults", false, speaking(fake.Postgres), openPgxpool("")},
	{"pgxpool", "connect_timeout 3, PingTimeout 1s, HealthCheckPeriod 5s; ctx of 3s", true, speaking(fake.Postgres), openPgxpool("&connect_timeout=3&pool_health_check_period=5s&pool_ping_timeout=1s")},
	{"database/sql", "pgx's driver, 8 connections, defaults", false, speaking(fake.Postgres), openSQL("", 0)},
	{"database/sql", "connect_timeout 3, SetConnMaxIdleTime 30s, SetConnMaxLifetime 3m; ctx of 3s", true, speaking(fake.Postgres), openSQL("&connect_timeout=3", 3*time.Minute)},
	{"go-redis", "defaults", false, speaking(fake.Redis), openRedis(false)},
	{"go-redis", "DialTimeout, ReadTimeout, WriteTimeout 1s, ContextTimeoutEnabled; ctx of 3s", true, speaking(fake.Redis), openRedis(true)},
	{"grpc-go", "defaults", false, fake.StartGRPC, openGRPC(false)},
	{"grpc-go", "keepalive Time 10s, Timeout 3s; MaxDelay and MinConnectTimeout 3s; ctx of 3s", true, fake.StartGRPC, openGRPC(true)},
}

// sources is where the documentation of each says what is best.
const sources = "The settings are those of hale's docs/production.md; net.KeepAliveConfig and net.Dialer, since puddle has none; pgxpool's Config and connect_timeout of libpq's connection strings; " +
	"go.dev/doc/database/manage-connections; the chapter on timeouts of go-redis's guide (redis.uptrace.dev); and grpc-go's Documentation/keepalive.md."

// soon is hale's backoff, with a longest pause for servers that have few clients.
func soon() backoff.BackOff {
	b := pauses.Default().(*backoff.ExponentialBackOff)
	b.MaxInterval = time.Second
	return b
}

func openHale(dialer hale.Dialer, config pool.Config[net.Conn]) func(string, *line) (func(context.Context) error, func(), error) {
	return func(addr string, l *line) (func(context.Context) error, func(), error) {
		dial := l.through(dialer.DialContext)
		config := config
		config.Dial = func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", addr) }
		config.MaxConns, config.MinConns = conns, conns
		p, err := pool.New(config)
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context) error {
			c, err := p.Acquire(ctx)
			if err != nil {
				return err
			}
			if err := echo(ctx, c.Value()); err != nil {
				c.Close()
				return err
			}
			c.Release()
			return nil
		}, p.Close, nil
	}
}

// echo sends a byte and reads it, until ctx's deadline if it has one.
func echo(ctx context.Context, c net.Conn) error {
	if at, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(at); err != nil {
			return err
		}
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func openPuddle(dialer *net.Dialer) func(string, *line) (func(context.Context) error, func(), error) {
	return func(addr string, l *line) (func(context.Context) error, func(), error) {
		dial := l.through(dialer.DialContext)
		p, err := puddle.NewPool(&puddle.Config[net.Conn]{
			Constructor: func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", addr) },
			Destructor:  func(c net.Conn) { c.Close() },
			MaxSize:     conns,
		})
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context) error {
			r, err := p.Acquire(ctx)
			if err != nil {
				return err
			}
			if err := echo(ctx, r.Value()); err != nil {
				r.Destroy()
				return err
			}
			r.Release()
			return nil
		}, p.Close, nil
	}
}

func postgresURL(addr, more string) string {
	return fmt.Sprintf("postgres://hale@%s/postgres?sslmode=disable%s", addr, more)
}

func openPgxpool(more string) func(string, *line) (func(context.Context) error, func(), error) {
	return func(addr string, l *line) (func(context.Context) error, func(), error) {
		config, err := pgxpool.ParseConfig(postgresURL(addr, fmt.Sprint("&pool_max_conns=", conns, more)))
		if err != nil {
			return nil, nil, err
		}
		config.ConnConfig.DialFunc = l.through(dialFunc(config.ConnConfig.DialFunc))
		p, err := pgxpool.NewWithConfig(context.Background(), config)
		if err != nil {
			return nil, nil, err
		}
		return p.Ping, p.Close, nil
	}
}

func openSQL(more string, lifetime time.Duration) func(string, *line) (func(context.Context) error, func(), error) {
	return func(addr string, l *line) (func(context.Context) error, func(), error) {
		config, err := pgx.ParseConfig(postgresURL(addr, more))
		if err != nil {
			return nil, nil, err
		}
		config.DialFunc = l.through(dialFunc(config.DialFunc))
		db := sql.OpenDB(stdlib.GetConnector(*config))
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		if lifetime > 0 {
			db.SetConnMaxLifetime(lifetime)
			db.SetConnMaxIdleTime(30 * time.Second)
		}
		return db.PingContext, func() { db.Close() }, nil
	}
}

func openRedis(best bool) func(string, *line) (func(context.Context) error, func(), error) {
	return func(addr string, l *line) (func(context.Context) error, func(), error) {
		o := &redis.Options{
			Addr: addr, PoolSize: conns, DialTimeout: 5 * time.Second, // the default, which NewDialer has to be told
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}, // it is for Redis Cloud
		}
		if best {
			o.DialTimeout, o.ReadTimeout, o.WriteTimeout = time.Second, time.Second, time.Second
			o.ContextTimeoutEnabled = true
		}
		o.Dialer = l.through(redis.NewDialer(o))
		redis.SetLogger(quiet{}) // it would log each dial that fails
		c := redis.NewClient(o)
		return func(ctx context.Context) error { return c.Ping(ctx).Err() }, func() { c.Close() }, nil
	}
}

// quiet is a logger that says nothing.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func openGRPC(best bool) func(string, *line) (func(context.Context) error, func(), error) {
	return func(addr string, l *line) (func(context.Context) error, func(), error) {
		// grpc-go's own dialer leaves keepalive to the system, and so does this.
		dial := l.through((&net.Dialer{KeepAlive: -1}).DialContext)
		options := []grpc.DialOption{
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return dial(ctx, "tcp", addr) }),
		}
		if best {
			config := grpcbackoff.DefaultConfig
			config.MaxDelay = limit
			options = append(options,
				grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: limit, PermitWithoutStream: true}),
				grpc.WithConnectParams(grpc.ConnectParams{Backoff: config, MinConnectTimeout: limit}))
		}
		c, err := grpc.NewClient("passthrough:///"+addr, options...)
		if err != nil {
			return nil, nil, err
		}
		client := grpc_health_v1.NewHealthClient(c)
		return func(ctx context.Context) error {
			_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		}, func() { c.Close() }, nil
	}
}
