// Package dialled lets a test see the connections that a client has made
// through hale.
package dialled

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/trial/trialtest"
)

// Patience is how long a test waits for what is to happen at once.
const Patience = 20 * time.Second

// Conns dials by [trialtest.Dialer], and keeps what it has dialled. It is safe
// for concurrent use.
type Conns struct {
	mu  sync.Mutex // guards all
	all []*hale.Conn
}

// Dial is the dial function for a client.
func (c *Conns) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := trialtest.Dialer().DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, conn.(*hale.Conn))
	return conn, nil
}

// All returns what was dialled so far, closed or not.
func (c *Conns) All() []*hale.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// AwaitDeath waits until all that was dialled so far is known to be of no use:
// dead, or closed by either side.
func (c *Conns) AwaitDeath(t testing.TB) {
	t.Helper()
	for _, conn := range c.All() {
		Until(t, "a connection is dead", func() bool { return conn.Err() != nil })
	}
}

// Until waits for what a condition stands for.
func Until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
	}
}

// Context bounds a test, or a part of one, by [Patience].
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}
