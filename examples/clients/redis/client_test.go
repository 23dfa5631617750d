package redishale

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/hale/health"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
)

// open opens a client, which is closed when the test ends.
func open(t *testing.T, o *redis.Options) *redis.Client {
	t.Helper()
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTheClientWorksUnchanged(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Redis)
	client := open(t, options(s.Addr, trialtest.Dialer().DialContext))
	t.Run("megabytes come back", func(t *testing.T) {
		t.Parallel()
		ctx, sent := dialled.Context(t), strings.Repeat("hale", 2<<20)
		if err := client.Set(ctx, "much", sent, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := client.Get(ctx, "much").Result(); err != nil || got != sent {
			t.Errorf("%d bytes came back of %d: %v", len(got), len(sent), err)
		}
	})
	t.Run("a transaction in a pipeline", func(t *testing.T) {
		t.Parallel()
		var last *redis.IntCmd
		_, err := client.TxPipelined(dialled.Context(t), func(p redis.Pipeliner) error {
			for range 1000 {
				last = p.Incr(t.Context(), "counter")
			}
			return nil
		})
		if err != nil || last.Val() != 1000 {
			t.Errorf("counted to %d: %v", last.Val(), err)
		}
	})
	t.Run("a reply that does not come in time is no death", func(t *testing.T) {
		t.Parallel()
		impatient := client.WithTimeout(100 * time.Millisecond)
		// As a plain command, so that the client does not know that it blocks.
		err := impatient.Do(dialled.Context(t), "blpop", "nothing", "60").Err()
		if !errors.Is(err, os.ErrDeadlineExceeded) || health.IsDead(err) {
			t.Errorf("%v, want a deadline", err)
		}
	})
}

// What the server has closed while it was idle is found by go-redis' own look
// at the socket, which a connection has to allow.
func TestTheClientsLivenessCheckRuns(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Redis)
	administrator := open(t, options(s.Addr, trialtest.Dialer().DialContext))
	for _, c := range []struct {
		name    string
		wrap    func(Dial) Dial
		notices bool
	}{
		{"hale's", func(dial Dial) Dial { return dial }, true},
		{"without a socket to look at", hiding, false},
	} {
		var conns dialled.Conns
		o := options(s.Addr, c.wrap(conns.Dial))
		o.MaxRetries = -1 // so that what the check misses can be seen
		client, ctx := open(t, o), dialled.Context(t)
		id, err := client.ClientID(ctx).Result()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := administrator.ClientKillByFilter(ctx, "ID", strconv.FormatInt(id, 10)).Result(); err != nil || n != 1 {
			t.Fatalf("killed %d: %v", n, err)
		}
		conns.AwaitDeath(t)
		err = client.Ping(ctx).Err()
		if stale := client.PoolStats().StaleConns; c.notices && (err != nil || stale != 1) {
			t.Errorf("%s: %v, with %d stale connections, want 1", c.name, err, stale)
		}
		if !c.notices && !health.IsDead(err) {
			t.Errorf("%s: %v, want a death: this test shows nothing", c.name, err)
		}
	}
}

// hiding hides the socket of the connections that dial makes.
func hiding(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		return struct{ net.Conn }{c}, err
	}
}
