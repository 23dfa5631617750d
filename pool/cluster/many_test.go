package cluster

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"example.com/hale/pool"
)

// addressesTo are the first n of 10.0.0.0/8.
func addressesTo(n int) (all []Endpoint) {
	for i := range n {
		all = append(all, Endpoint{Address: fmt.Sprintf("10.%d.%d.%d:80", i>>16&255, i>>8&255, i&255)})
	}
	return all
}

// many is a cluster of n endpoints, of which it is told by the func that is returned.
func many(b *testing.B, n int, change func(*Config[*fakeConn])) (*Cluster[*fakeConn], func([]Endpoint) error) {
	b.Helper()
	s := newSite()
	known := make(chan func([]Endpoint) error)
	config := Config[*fakeConn]{
		Watch: func(ctx context.Context, update func([]Endpoint) error) error {
			known <- update
			<-ctx.Done()
			return nil
		},
		Dial: s.dial, MaxConns: 64, Pool: pool.Config[*fakeConn]{Open: openFake},
	}
	if change != nil {
		change(&config)
	}
	c, err := New(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	update := <-known
	if err := update(addressesTo(n)); err != nil {
		b.Fatal(err)
	}
	return c, update
}

// inMemory is what the process holds.
func inMemory() (bytes, goroutines float64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse), float64(runtime.NumGoroutine())
}

// What a cluster costs that has many endpoints, and no Subset. docs/cluster.md has it.
func BenchmarkManyEndpoints(b *testing.B) {
	for _, n := range []int{100, 2000, 20000} {
		name := fmt.Sprintf("%d/", n)
		b.Run(name+"known", func(b *testing.B) {
			for b.Loop() {
				bytes, goroutines := inMemory()
				c, _ := many(b, n, nil)
				bytesNow, goroutinesNow := inMemory()
				b.ReportMetric((bytesNow-bytes)/float64(n), "B/endpoint")
				b.ReportMetric((goroutinesNow-goroutines)/float64(n), "goroutines/endpoint")
				c.Close()
			}
		})
		c, update := many(b, n, nil)
		acquire := func(b *testing.B, ctx context.Context, end func(Conn[*fakeConn])) {
			for b.Loop() {
				conn, err := c.Acquire(ctx)
				if err != nil {
					b.Fatal(err)
				}
				end(conn)
			}
		}
		release, closed := Conn[*fakeConn].Release, Conn[*fakeConn].Close
		b.Run(name+"acquire with a dial", func(b *testing.B) { acquire(b, b.Context(), closed) })
		// As a rule not one of the 64 connections is to the endpoint that is drawn.
		b.Run(name+"acquire, all open", func(b *testing.B) { acquire(b, b.Context(), release) })
		b.Run(name+"acquire by key", func(b *testing.B) { acquire(b, WithKey(b.Context(), "user 42"), release) })
		b.Run(name+"stats", func(b *testing.B) {
			for b.Loop() {
				c.Stats()
			}
		})
		// Of which every change, an outage as well, has a part.
		b.Run(name+"snapshot", func(b *testing.B) {
			for b.Loop() {
				c.mu.Lock()
				c.rebuild()
				c.mu.Unlock()
			}
		})
		b.Run(name+"one leaves and another comes", func(b *testing.B) {
			all := addressesTo(n + 1)
			for i := 0; b.Loop(); i++ {
				if err := update(append(append([]Endpoint{}, all[:n-1]...), all[n-1+i%2])); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"all are replaced", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				all := addressesTo(n)
				for j := range all {
					all[j].ID = fmt.Sprint("#", i)
				}
				if err := update(all); err != nil {
					b.Fatal(err)
				}
			}
		})
		c.Close()
		b.Run(name+"acquire, Subset 20", func(b *testing.B) {
			c, _ = many(b, n, func(c *Config[*fakeConn]) { c.Subset = 20 })
			acquire(b, b.Context(), release)
			c.Close()
		})
		b.Run(name+"snapshot of a zone, and roles", func(b *testing.B) {
			c, _ := many(b, n, func(c *Config[*fakeConn]) { c.Zone = "a" })
			all := addressesTo(n)
			for i := range all {
				all[i].Zone, all[i].Role = "a", Role(1+i%2)
			}
			c.mu.Lock()
			for i, m := range c.members {
				m.about.Store(&all[i])
				m.play(all[i].Role)
			}
			c.mu.Unlock()
			for b.Loop() {
				c.mu.Lock()
				c.rebuild()
				c.mu.Unlock()
			}
			c.Close()
		})
		runtime.GC()
		time.Sleep(100 * time.Millisecond)
	}
}
