package hale

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// delays reports what was measured in place of the time of an iteration.
func delays(b *testing.B, d []time.Duration) {
	b.Helper()
	slices.Sort(d)
	at := func(part float64) float64 {
		return float64(d[int(part*float64(len(d)-1))]) / float64(time.Microsecond)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(at(0.50), "p50-µs")
	b.ReportMetric(at(0.99), "p99-µs")
	b.ReportMetric(at(1), "max-µs")
	b.ReportMetric(float64(len(d)), "deaths")
}

// crowd is n connections from one dialer.
func crowd(b *testing.B, n int, d *Dialer) (clients []*Conn, servers []*net.TCPConn) {
	b.Helper()
	l := testnet.Listen(b)
	defer l.Close()
	for range n {
		c, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		server, err := l.AcceptTCP()
		if err != nil {
			b.Fatal(err)
		}
		clients, servers = append(clients, c.(*Conn)), append(servers, server)
	}
	return clients, servers
}

func disperse(clients []*Conn, servers []*net.TCPConn) {
	for i := range clients {
		clients[i].Close()
		servers[i].Close()
	}
}

// BenchmarkDeathToDone measures how long the watch takes from the end of a
// connection to the goroutine that waits for its Done.
//
//	go test -run '^$' -bench DeathToDone .
//
// kernel=reset counts from the system call that sends RST. kernel=keepalive is
// about frozen peers, and counts from the last look that showed the connection
// alive; somebody looks at all of them in turn, so that the delay contains up
// to one such turn, and the turns take from the time of the watch.
func BenchmarkDeathToDone(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("kernel=reset/conns=%d", n), func(b *testing.B) {
			var all []time.Duration
			for b.Loop() {
				all = append(all, dieByReset(b, n)...)
			}
			delays(b, all)
		})
	}
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("kernel=keepalive/conns=%d", n), func(b *testing.B) {
			testnet.NeedFreeze(b)
			var all []time.Duration
			for b.Loop() {
				all = append(all, dieBySilence(b, n)...)
			}
			delays(b, all)
		})
	}
}

// waitForDone notes when the Done of each connection is closed.
func waitForDone(clients []*Conn) (wait func() []time.Time) {
	at := make([]time.Time, len(clients))
	var ready, all sync.WaitGroup
	ready.Add(len(clients))
	for i, c := range clients {
		all.Go(func() {
			ready.Done()
			<-c.Done()
			at[i] = time.Now()
		})
	}
	ready.Wait()
	return func() []time.Time { all.Wait(); return at }
}

func since(from, to []time.Time) []time.Duration {
	d := make([]time.Duration, len(from))
	for i := range d {
		d[i] = to[i].Sub(from[i])
	}
	return d
}

func dieByReset(b *testing.B, n int) []time.Duration {
	b.Helper()
	clients, servers := crowd(b, n, new(Dialer))
	defer disperse(clients, servers)
	wait := waitForDone(clients)
	sent := make([]time.Time, n)
	for i, server := range servers {
		server.SetLinger(0)
		sent[i] = time.Now()
		server.Close()
	}
	return since(sent, wait())
}

func dieBySilence(b *testing.B, n int) []time.Duration {
	b.Helper()
	clients, servers := crowd(b, n, &Dialer{KeepAlive: quick})
	defer disperse(clients, servers)
	for _, server := range servers {
		testnet.Freeze(b, server)
	}
	wait := waitForDone(clients)
	alive := make([]time.Time, n)
	for left := n; left > 0; time.Sleep(100 * time.Microsecond) { // not a core of its own
		left = 0
		for i, c := range clients {
			if c.verdict.final() != nil {
				continue
			}
			now := time.Now()
			if info, err := c.Info(); err != nil {
				b.Fatal(err)
			} else if info.State != health.TCPClose {
				alive[i] = now
			}
			left++
		}
	}
	return since(alive, wait())
}

// BenchmarkPingPongWatched compares a watched Conn with the same after its
// watch has been removed, and with a plain *net.TCPConn, in one run:
//
//	go test -run '^$' -bench PingPongWatched -count 10 . | benchstat -col /conn -
func BenchmarkPingPongWatched(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		for _, kind := range []string{"watched", "unwatched", "plain"} {
			b.Run(fmt.Sprintf("size=%d/conn=%s", size, kind), func(b *testing.B) {
				var conn net.Conn
				var server *net.TCPConn
				if kind == "plain" {
					conn, server = testnet.Pair(b)
				} else {
					var c *Conn
					c, server = connect(b, new(Dialer))
					if kind == "unwatched" {
						c.stopWatch()
					}
					conn = c
				}
				go echo(server, size)
				buf := make([]byte, size)
				b.SetBytes(int64(2 * size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := conn.Write(buf); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(conn, buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkIdleConn measures what a watched Conn at rest takes above a plain
// *net.TCPConn.
//
//	go test -run '^$' -bench IdleConn -benchtime 3x .
func BenchmarkIdleConn(b *testing.B) {
	const n = 5000
	plain := &net.Dialer{KeepAlive: -1}
	watched := &Dialer{KeepAlive: sockopt.Within(30 * time.Second)}
	var bytes, goroutines float64
	for b.Loop() {
		plainBytes, plainGoroutines := footprint(b, n, plain.Dial)
		watchedBytes, watchedGoroutines := footprint(b, n, watched.Dial)
		bytes += (watchedBytes - plainBytes) / n
		goroutines += (watchedGoroutines - plainGoroutines - 1) / n // one for all of them
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bytes/float64(b.N), "B/conn")
	b.ReportMetric(goroutines/float64(b.N), "goroutines/conn")
}

// footprint returns what n connections, and their far ends, add to the heap and
// to the goroutines.
func footprint(b *testing.B, n int, dial func(network, address string) (net.Conn, error)) (bytes, goroutines float64) {
	b.Helper()
	l := testnet.Listen(b)
	defer l.Close()
	conns := make([]net.Conn, 0, 2*n)
	bytes, goroutines = heap(), float64(runtime.NumGoroutine())
	for range n {
		client, err := dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		server, err := l.AcceptTCP()
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, client, server)
	}
	bytes, goroutines = heap()-bytes, float64(runtime.NumGoroutine())-goroutines
	for _, c := range conns {
		c.Close()
	}
	return bytes, goroutines
}

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has found to be finalized
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkSampled is what it takes to tell of one look, with a hook that does nothing.
//
//	go test -run '^$' -bench Sampled .
func BenchmarkSampled(b *testing.B) {
	c, _ := connect(b, &Dialer{Observer: &Observer{Sampled: func(SampledInfo) {}}})
	b.ReportAllocs()
	for b.Loop() {
		(*subject)(c).Sampled(health.Info{BytesSent: 1})
		for c.samples.telling.Load() {
			runtime.Gosched()
		}
	}
}
