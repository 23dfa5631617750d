//go:build !race && linux

// With the race detector a sync.Pool, as package net has one of pipes, forgets at
// random.

package hale

import (
	"io"
	"testing"
)

// A copy between two of them costs no more than one between two of package net.
func TestACopyOfSomeAllocatesNoMoreThanPackageNet(t *testing.T) {
	const n, runs = 64, 50
	src, srcPeer := connect(t, new(Dialer))
	dst, dstPeer := connect(t, new(Dialer))
	if _, err := srcPeer.Write(make([]byte, 2*n*(runs+1))); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, dstPeer)
	copies := func(to io.Writer, from io.Reader) float64 {
		return testing.AllocsPerRun(runs, func() {
			if _, err := io.CopyN(to, from, n); err != nil {
				t.Fatal(err)
			}
		})
	}
	bare := copies(dst.TCPConn, src.TCPConn)
	if got := copies(dst, src); got > bare {
		t.Errorf("%v allocations, and %v of package net", got, bare)
	}
}
