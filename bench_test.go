package hale

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// BenchmarkPingPong compares a Conn with the connection inside it, over
// loopback, in one run:
//
//	go test -run '^$' -bench PingPong -count 10 . | benchstat -col /conn -
func BenchmarkPingPong(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		for _, kind := range []string{"raw", "hale"} {
			b.Run(fmt.Sprintf("size=%d/conn=%s", size, kind), func(b *testing.B) {
				client, server := connect(b, new(Dialer))
				var conn net.Conn = client
				if kind == "raw" {
					conn = client.TCPConn
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

func echo(c *net.TCPConn, size int) {
	buf := make([]byte, size)
	for {
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

// BenchmarkErr measures the two questions that a pool asks before it hands a
// connection out, by one goroutine and by one for each core:
//
//	go test -run '^$' -bench '^BenchmarkErr$' -count 10 .
func BenchmarkErr(b *testing.B) {
	for _, kind := range []struct {
		conn string
		make func(c *Conn, peer *net.TCPConn)
	}{
		{"alive", func(*Conn, *net.TCPConn) {}},
		{"dead", func(c *Conn, peer *net.TCPConn) { reset(peer); <-c.Done() }},
		{"closed", func(c *Conn, _ *net.TCPConn) { c.Close() }},
	} {
		c, peer := connect(b, new(Dialer))
		kind.make(c, peer)
		b.Run("of=Err/conn="+kind.conn, func(b *testing.B) { askAgainAndAgain(b, func() { _ = c.Err() }) })
		b.Run("of=State/conn="+kind.conn, func(b *testing.B) { askAgainAndAgain(b, func() { _ = c.State() }) })
	}
}

func askAgainAndAgain(b *testing.B, ask func()) {
	b.Helper()
	b.Run("by=one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask()
		}
	})
	b.Run("by=all", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				ask()
			}
		})
	})
}
