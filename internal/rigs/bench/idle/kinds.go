package idle

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"time"

	"example.com/hale"
	"example.com/hale/pool"
)

// A kind opens connections that are then idle.
type kind struct {
	name, protocol, bound string
	open                  func(ctx context.Context, o order) (closeAll func(), err error)
}

// inOrder are the kinds in the order of the table.
var inOrder = []string{"raw", "conn", "pool", "http"}

var kinds = map[string]kind{
	"raw":  {"*net.TCPConn", "silent", "package net's own, and its poller's", openRaw},
	"conn": {"*hale.Conn", "silent", "the Conn, its entry in the watch, a look at TCP_INFO when a probe is due", openConns},
	"pool": {"in hale's pool", "silent", "the same, and the pool's slot", openPools},
	"http": {"in net/http's Transport", "http", "two goroutines, two buffers of 4 KiB", openHTTP},
}

// now is the heap and the stacks, and the goroutines.
func now() (bytes float64, goroutines int) {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has found to be finalized
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}

func openRaw(ctx context.Context, o order) (func(), error) {
	return openEach(ctx, o, new(net.Dialer).DialContext)
}

func openConns(ctx context.Context, o order) (func(), error) {
	return openEach(ctx, o, new(hale.Dialer).DialContext)
}

// openEach opens as many on every address.
func openEach(ctx context.Context, o order, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (func(), error) {
	conns := make([]net.Conn, 0, o.Conns)
	closeAll := func() {
		for _, c := range conns {
			c.Close()
		}
	}
	for i := range o.Conns {
		c, err := dial(ctx, "tcp", o.Addrs[i%len(o.Addrs)])
		if err != nil {
			closeAll()
			return nil, err
		}
		conns = append(conns, c)
	}
	return closeAll, nil
}

// openPools opens a pool for each address.
func openPools(ctx context.Context, o order) (func(), error) {
	var pools []*pool.Pool[net.Conn]
	closeAll := func() {
		for _, p := range pools {
			p.Close()
		}
	}
	for i, addr := range o.Addrs {
		n := share(o.Conns, len(o.Addrs), i)
		d := new(hale.Dialer)
		p, err := pool.New(pool.Config[net.Conn]{
			Dial:     func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) },
			MaxConns: n, MinConns: n,
		})
		if err != nil {
			closeAll()
			return nil, err
		}
		pools = append(pools, p)
		for p.Stats().Idle < n && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	return closeAll, ctx.Err()
}

// openHTTP makes requests whose answers are read only when all have been made: the
// connections are in use until then.
func openHTTP(ctx context.Context, o order) (func(), error) {
	transport := &http.Transport{MaxIdleConnsPerHost: o.Conns}
	client := &http.Client{Transport: transport}
	var all []*http.Response
	for i := range o.Conns {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.Addrs[i%len(o.Addrs)], nil)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		all = append(all, response)
	}
	for _, response := range all {
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	return transport.CloseIdleConnections, nil
}
