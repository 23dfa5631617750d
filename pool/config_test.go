package pool

import (
	"context"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
)

func TestAConfigThatContradictsItselfIsAnErrorThatNamesFieldAndValue(t *testing.T) {
	t.Parallel()
	type C = *Config[*fakeConn]
	for want, change := range map[string]func(C){
		"Dial nil":                          func(c C) { c.Dial = nil },
		"Open nil":                          func(c C) { c.Open = nil },
		"MaxConns 0":                        func(c C) { c.MaxConns = 0 },
		"MaxConns -3":                       func(c C) { c.MaxConns = -3 },
		"MaxConns 2147483648":               func(c C) { c.MaxConns = int(tooMany) },
		"MinConns -1":                       func(c C) { c.MinConns = -1 },
		"MinIdleConns -1":                   func(c C) { c.MinIdleConns = -1 },
		"MaxWaiters -1":                     func(c C) { c.MaxWaiters = -1 },
		"MaxDials -1":                       func(c C) { c.MaxDials = -1 },
		"MinConns 5: above MaxConns, 4":     func(c C) { c.MinConns = 5 },
		"MinIdleConns 5: above MaxConns, 4": func(c C) { c.MinIdleConns = 5 },
		"LifetimeJitter 1.5":                func(c C) { c.LifetimeJitter = 1.5 },
		"LifetimeJitter NaN":                func(c C) { c.LifetimeJitter = math.NaN() },
		"MaxConnIdleTime 2h0m0s: above MaxConnLifetime, 1h0m0s": func(c C) { c.MaxConnIdleTime, c.MaxConnLifetime = 2*time.Hour, time.Hour },
		"Heartbeat 1s: set, but Check is nil":                   func(c C) { c.Heartbeat = time.Second },
		"MaxConnLifetime -1s":                                   func(c C) { c.MaxConnLifetime = -time.Second },
		"MaxConnIdleTime -1s":                                   func(c C) { c.MaxConnIdleTime = -time.Second },
		"DialTimeout -1s":                                       func(c C) { c.DialTimeout = -time.Second },
		"CheckAfter -1s":                                        func(c C) { c.CheckAfter = -time.Second },
		"CheckTimeout -1s":                                      func(c C) { c.CheckTimeout = -time.Second },
		"Heartbeat -1s":                                         func(c C) { c.Heartbeat = -time.Second },
		"Monitor.After -1s":                                     func(c C) { c.Monitor.After = -time.Second },
		"Monitor.Failures -1":                                   func(c C) { c.Monitor.Failures = -1 },
		"Monitor.After 1s: set, but Check is nil":               func(c C) { c.Monitor.After = time.Second },
		"StableAfter -1s":                                       func(c C) { c.StableAfter = -time.Second },
		"ResolveEvery -1s":                                      func(c C) { c.ResolveEvery = -time.Second },
		"ResolveEvery 1s: set, but Resolve is nil":              func(c C) { c.ResolveEvery = time.Second },
		"LeakAfter -1s":                                         func(c C) { c.LeakAfter = -time.Second },
		"Backoff nil":                                           func(c C) { c.Backoff = func() backoff.BackOff { return nil } },
	} {
		config := Config[*fakeConn]{
			Dial:     new(endpoint).dial,
			Open:     func(context.Context, net.Conn) (*fakeConn, error) { return nil, nil },
			MaxConns: 4,
		}
		change(&config)
		p, err := New(config)
		if err == nil {
			p.Close()
			t.Errorf("%s: no error", want)
		} else if !strings.HasPrefix(err.Error(), "pool: "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

var tooMany int64 = math.MaxInt32 + 1

func TestZeroIsTheDocumentedDefault(t *testing.T) {
	t.Parallel()
	c, err := Config[net.Conn]{Dial: new(endpoint).dial, MaxConns: 1}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c.MaxDials != 4 || c.DialTimeout != 10*time.Second || c.CheckTimeout != time.Second ||
		c.StableAfter != 10*time.Second || c.LifetimeJitter != 0.1 || c.Monitor.Failures != 2 || c.Backoff == nil {
		t.Errorf("%+v", c)
	}
	c.LifetimeJitter = -1
	if c, err = c.withDefaults(); err != nil || c.LifetimeJitter != 0 {
		t.Errorf("%v, %v", c.LifetimeJitter, err)
	}
}

func TestAPoolOfConnectionsNeedsNoOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p, err := New(Config[net.Conn]{Dial: e.dial, MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
		if _, ok := c.Value().(*fakeConn); !ok {
			t.Errorf("%T", c.Value())
		}
	})
}
