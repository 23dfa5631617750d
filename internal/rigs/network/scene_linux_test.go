package network

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"example.com/hale"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
)

const (
	// dialTimeout bounds each dial of a pool, its login included.
	dialTimeout = time.Second
	// pauseMax bounds the pauses between them, but for the jitter of a half.
	pauseMax = 200 * time.Millisecond
	// recovery bounds the time from the mending to a connection that works: a
	// dial that began before it and fails, a pause, and another dial.
	recovery = 2*dialTimeout + pauseMax*3/2

	port = ":7000"
)

// A scene is a network with a client and a server, in good order at first.
type scene struct {
	t       *testing.T
	hosts   []*testnet.Host
	client  *testnet.Host // the first
	server  *testnet.Host // the last
	address string        // that the client dials

	dialer  hale.Dialer
	config  pool.Config[net.Conn]
	pool    *pool.Pool[net.Conn]
	evicted chan pool.EvictInfo // what the pool has lost

	local   *server  // the server, if it is in this process
	process *process // or in its own
	names   *names   // what the client asks for addresses, if it does

	visitor  *visitor // who uses the pool, if somebody does
	built    func()   // lets another test build
	disperse func()   // ends what crowd began
}

// building limits how many scenes are built beside each other, from the first
// host to the break. What comes after that is waiting.
var building = make(chan struct{}, 2)

func newScene(t *testing.T, hosts int) *scene {
	t.Helper()
	building <- struct{}{}
	built := sync.OnceFunc(func() { <-building })
	t.Cleanup(built)
	s := &scene{built: built, t: t, hosts: testnet.NewChain(t, hosts), dialer: hale.Dialer{KeepAlive: keepAlive}}
	s.client, s.server = s.hosts[0], s.hosts[hosts-1]
	s.address = s.server.Addr(testnet.Left) + port
	s.evicted = make(chan pool.EvictInfo, 1000)
	s.config = pool.Config[net.Conn]{
		Dial:        s.dial,
		Open:        login,
		MaxConns:    4,
		DialTimeout: dialTimeout,
		Backoff:     backOff,
		Observer:    &pool.Observer{Evict: func(e pool.EvictInfo) { s.evicted <- e }},
	}
	return s
}

func backOff() backoff.BackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(pauseMax/4),
		backoff.WithMaxInterval(pauseMax), backoff.WithMaxElapsedTime(0))
}

// dial dials the server from the client.
func (s *scene) dial(ctx context.Context) (c net.Conn, err error) {
	err = s.client.Do(func() error {
		c, err = s.dialer.DialContext(ctx, "tcp", s.address)
		return err
	})
	return c, err
}

// login is an exchange with the server's program, so that a kernel that accepts
// for a program that does not is no success.
func login(_ context.Context, c net.Conn) (net.Conn, error) { return c, ask(c, echo) }

// open makes the pool, with so many idle connections.
func (s *scene) open(conns int) {
	s.t.Helper()
	s.config.MinConns = conns
	p, err := pool.New(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.pool = p
	s.t.Cleanup(p.Close)
	eventually(s.t, recovery+noise, "all connections are there", func() bool { return p.Stats().Idle == conns })
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// acquire takes a connection from the pool, which has one.
func (s *scene) acquire() pool.Conn[net.Conn] {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), recovery+noise)
	defer cancel()
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// close closes the pool, and fails the test if anything of the client's is
// left, or for long of the server's.
func (s *scene) close() {
	s.t.Helper()
	if s.pool != nil {
		s.pool.Close()
	}
	s.awaitNone(s.client)
	eventually(s.t, serverPromise+noise, "nobody has anything left", func() bool {
		left := 0
		for _, h := range s.hosts {
			left += len(sockets(s.t, h))
		}
		return left == 0
	})
}

// awaitNone waits until the closed connections of the host are gone. That takes
// a moment: a child that another test is about to start has every descriptor,
// and keeps what is closed here open until it runs its program.
func (s *scene) awaitNone(h *testnet.Host) {
	s.t.Helper()
	eventually(s.t, noise, "the host has no connection", func() bool { return len(sockets(s.t, h)) == 0 })
}

// eventually polls until ok holds, and fails the test if it takes too long.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("not within %v: %s", within, what)
			return
		}
	}
}
