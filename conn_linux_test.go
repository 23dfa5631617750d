package hale

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
)

// segmentsOut returns how many segments with data c has sent.
func segmentsOut(t *testing.T, c *Conn) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	err = rawconn.Control(raw, func(fd uintptr) (err error) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Data_segs_out)
}

// Not parallel: it counts what the whole process reads.
func TestACopyBetweenConnsIsASplice(t *testing.T) {
	const size = 8 << 20
	src, srcPeer := connect(t, new(Dialer))
	dst, dstPeer := connect(t, new(Dialer))
	before := bytesRead(t)
	go func() {
		srcPeer.Write(make([]byte, size))
		srcPeer.CloseWrite()
	}()
	copied := make(chan error, 1)
	go func() {
		n, err := io.Copy(dst, src)
		if err == nil && n != size {
			err = fmt.Errorf("copied %d bytes", n)
		}
		dst.CloseWrite()
		copied <- err
	}()
	if n, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{dstPeer}); n != size || err != nil {
		t.Fatal(n, err)
	}
	if err := <-copied; err != nil {
		t.Fatal(err)
	}
	// The receiver has read all of it. A relay that reads and writes would
	// have done so once more; splice(2) moves the pages inside the kernel.
	if got := bytesRead(t) - before; got < size || got > size+size/2 {
		t.Errorf("the process read %d bytes to relay %d", got, size)
	}
}

// bytesRead returns rchar of proc(5): bytes that read system calls returned.
func bytesRead(t *testing.T) (n int) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		testnet.Missing(t, "/proc/self/io: "+err.Error())
	}
	if _, err := fmt.Sscanf(string(data), "rchar: %d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBuffersAreOneWritev(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	before := segmentsOut(t, client)
	buffers := make(net.Buffers, 10)
	for i := range buffers {
		buffers[i] = bytes.Repeat([]byte{byte(i)}, 10)
	}
	if n, err := buffers.WriteTo(client); n != 100 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := io.ReadFull(server, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	// Nagle is off: ten writes would be ten segments.
	if got := segmentsOut(t, client) - before; got != 1 {
		t.Errorf("%d segments, want 1", got)
	}
}

func TestTheUsersOwnLookConsumesNothingThatMatters(t *testing.T) {
	t.Parallel()
	client, server := connect(t, &Dialer{KeepAlive: quick})
	testnet.Freeze(t, server)
	waitDead(t, client)
	// A driver's liveness check peeks at the socket and eats the error.
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Read(func(fd uintptr) bool {
		syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return true
	})
	_, err = client.Read(make([]byte, 1))
	if dead := asDead(t, err); dead.Cause != health.KeepAliveTimeout {
		t.Error(err)
	}
}

// The kernel gives the second write EPIPE before anybody has seen the peer's FIN:
// there is nothing to wait for.
func TestAWriteOnTheHeelsOfAResetReturns(t *testing.T) {
	t.Parallel()
	const conns, hang = 200, 50 * time.Millisecond
	failed, hung := 0, 0
	for range conns {
		client, server := connect(t, new(Dialer))
		server.Close()
		for range 3 {
			start := time.Now()
			_, err := client.Write([]byte("late"))
			if time.Since(start) > hang {
				hung++
			}
			if err != nil {
				failed++
				if c := health.Classify(err); c != health.Reset {
					t.Errorf("%v: %v", c, err)
				}
			}
		}
	}
	if failed == 0 {
		t.Error("no write failed")
	}
	if hung > conns/20 { // not never: the machine may stand still
		t.Errorf("%d writes hung", hung)
	}
}
