package fake_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/bench/fake"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func start(t *testing.T, speak func(net.Conn)) *fake.Server {
	t.Helper()
	s, err := fake.Start(speak)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestClientsTakeTheServersForReal(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		s := start(t, fake.Redis)
		c := redis.NewClient(&redis.Options{Addr: s.Addr})
		defer c.Close()
		if got, err := c.Ping(ctx).Result(); got != "PONG" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if err := c.Set(ctx, "k", "v", 0).Err(); err != nil {
			t.Error(err)
		}
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := start(t, fake.Postgres)
		p, err := pgxpool.New(ctx, fmt.Sprintf("postgres://hale@%s/postgres", s.Addr)) // it asks for TLS first
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for range 3 {
			if err := p.Ping(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		s := start(t, fake.HTTP)
		transport := new(http.Transport)
		defer transport.CloseIdleConnections()
		for range 3 {
			r, err := (&http.Client{Transport: transport}).Get("http://" + s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(r.Body); string(body) != "." || err != nil {
				t.Errorf("%q, %v", body, err)
			}
			r.Body.Close()
		}
		if n := s.Accepted(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestAFrozenServerIsSilentUntilItThaws(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	s := start(t, fake.Echo)
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	exchange := func(within time.Duration) error {
		_ = c.SetDeadline(time.Now().Add(within))
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := c.Read(make([]byte, 1))
		return err
	}
	if err := exchange(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	thaw, err := s.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if err := exchange(50 * time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("while frozen: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if c, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr); err == nil {
		c.Close()
		t.Error("it was dialled")
	}
	if err := thaw(); err != nil {
		t.Fatal(err)
	}
	if err := exchange(10 * time.Second); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
