package notice

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"example.com/hale"
	"example.com/hale/pool"
)

// A rival opens n connections and leaves them idle.
type rival struct {
	name     string
	protocol string // that its server speaks
	learns   string // how it learns of a death
	open     func(ctx context.Context, r *record, addr string, n int) (use func() error, close func(), err error)
}

var rivals = []rival{
	{"hale", "silent", "the death watch: epoll, one goroutine for all", openHale},
	{"net/http", "http", "a blocked read: two goroutines for each connection", openHTTP},
	{"go-redis", "redis", "a look at the socket at the next use", openRedis},
	{"pgxpool", "postgres", "a ping at the next use, if idle for a second", openPgx},
}

func openHale(ctx context.Context, r *record, addr string, n int) (func() error, func(), error) {
	dialer := new(hale.Dialer)
	p, err := pool.New(pool.Config[net.Conn]{
		Dial: func(ctx context.Context) (net.Conn, error) {
			r.dials()
			return dialer.DialContext(ctx, "tcp", addr)
		},
		MaxConns: n, MinConns: n,
		StableAfter: time.Millisecond, // or else what dies within ten seconds is replaced only after a pause
		Observer:    &pool.Observer{Evict: func(info pool.EvictInfo) { r.gone(info.Conn) }},
	})
	if err != nil {
		return nil, nil, err
	}
	use := func() error {
		c, err := p.Acquire(ctx)
		if err == nil {
			c.Release()
		}
		return err
	}
	for p.Stats().Idle < n && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	return use, p.Close, ctx.Err()
}

func openHTTP(ctx context.Context, r *record, addr string, n int) (func() error, func(), error) {
	transport := &http.Transport{DialContext: r.dialer(), MaxIdleConnsPerHost: n}
	client := &http.Client{Transport: transport}
	get := func() (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr, nil)
		if err != nil {
			return nil, err
		}
		return client.Do(request)
	}
	finish := func(response *http.Response) {
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	var all []*http.Response // a connection is in use until its body was read
	defer func() {
		for _, response := range all {
			finish(response)
		}
	}()
	for range n {
		response, err := get()
		if err != nil {
			return nil, nil, err
		}
		all = append(all, response)
	}
	use := func() error {
		response, err := get()
		if err == nil {
			finish(response)
		}
		return err
	}
	return use, transport.CloseIdleConnections, nil
}

func openRedis(ctx context.Context, r *record, addr string, n int) (func() error, func(), error) {
	dial := r.dialer()
	client := redis.NewClient(&redis.Options{
		Addr: addr, PoolSize: n, Protocol: 2, DisableIdentity: true, MaxRetries: -1,
		ReadBufferSize: 1024, WriteBufferSize: 1024,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer:                   dial,
	})
	var all []*redis.Conn
	for range n {
		c := client.Conn()
		all = append(all, c)
		if err := c.Ping(ctx).Err(); err != nil {
			return nil, nil, err
		}
	}
	for _, c := range all {
		c.Close()
	}
	return func() error { return client.Ping(ctx).Err() }, func() { client.Close() }, nil
}

func openPgx(ctx context.Context, r *record, addr string, n int) (func() error, func(), error) {
	config, err := pgxpool.ParseConfig(fmt.Sprintf("postgres://hale@%s/postgres?sslmode=disable&pool_max_conns=%d", addr, n))
	if err != nil {
		return nil, nil, err
	}
	config.ConnConfig.DialFunc = r.dialer()
	p, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	var all []*pgxpool.Conn
	for range n {
		c, err := p.Acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, c)
	}
	for _, c := range all {
		c.Release()
	}
	return func() error { return p.Ping(ctx) }, p.Close, nil
}

// A record has when dials were begun, and when connections were given up.
type record struct {
	mu     sync.Mutex // guards what follows
	dialed []time.Time
	goneAt map[string]time.Time
}

func newRecord() *record { return &record{goneAt: map[string]time.Time{}} }

func (r *record) dials() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialed = append(r.dialed, time.Now())
}

func (r *record) gone(c net.Conn) {
	now := time.Now()
	name := keyOf(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.goneAt[name].IsZero() {
		r.goneAt[name] = now
	}
}

// begun is when each dial was, so far.
func (r *record) begun() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dialed[:len(r.dialed):len(r.dialed)]
}

// known is how many connections were given up.
func (r *record) known() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.goneAt)
}

// dialer dials as a net.Dialer does, and notes when a connection is closed.
func (r *record) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		r.dials()
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return noted{c.(*net.TCPConn), r}, nil
	}
}

type noted struct {
	*net.TCPConn
	record *record
}

func (n noted) Close() error {
	n.record.gone(n.TCPConn)
	return n.TCPConn.Close()
}
