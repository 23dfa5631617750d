package promise

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/testnet"
)

const (
	clientAddr = "10.79.0.1"
	peersNet   = "10.80.0.0/16"
	port       = "7000"
	// setup bounds whatever happens before something is measured.
	setup = 30 * time.Second
)

// A lab is a client's host and, at the other end of a path, one that is all
// peers at once: each connection has a peer address of its own, so that one can
// vanish and the others stay, and the watch does not take them for one machine.
type lab struct {
	t       testing.TB
	path    *path
	client  *testnet.Host
	peers   *testnet.Host
	last    atomic.Uint32 // the peer address that was given out last
	waiting sync.Map      // who dials, by the peer's address: chan *net.TCPConn
}

// building limits how many labs are built beside each other.
var building sync.Mutex

func newLab(t testing.TB, rtt time.Duration, retries2 int) *lab {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	l := &lab{t: t, path: &path{delay: rtt / 2}}
	hosts := testnet.NewChain(t, 2) // their cable stays unused
	l.client, l.peers = hosts[0], hosts[1]
	near, far := openTUN(t, l.client), openTUN(t, l.peers)
	l.address()
	l.client.Sysctl("net/ipv4/tcp_retries2", strconv.Itoa(retries2))
	l.carry(near, far)
	l.accept()
	return l
}

func (l *lab) address() {
	l.t.Helper()
	l.client.IP("addr add " + clientAddr + "/32 dev " + device)
	for _, h := range []*testnet.Host{l.client, l.peers} {
		h.IP("link set " + device + " txqueuelen 10000 up")
	}
	l.client.IP("route add " + peersNet + " dev " + device)
	l.peers.IP("route add local " + peersNet + " dev lo")
	l.peers.IP("route add " + clientAddr + " dev " + device)
}

// carry has the path work until the test ends.
func (l *lab) carry(near, far *os.File) {
	var ends sync.WaitGroup
	ends.Go(func() { l.path.toPeers(near, far) })
	ends.Go(func() { l.path.toClient(far, near) })
	l.t.Cleanup(func() {
		near.Close()
		far.Close()
		ends.Wait()
	})
}

// accept hands every connection to whoever dials it.
func (l *lab) accept() {
	listener := l.peers.Listen("0.0.0.0:" + port)
	go func() {
		for {
			c, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			if dialer, ok := l.waiting.LoadAndDelete(c.LocalAddr().String()); ok {
				dialer.(chan *net.TCPConn) <- c
				continue
			}
			c.Close()
		}
	}()
}

// A link is one connection, with both its ends.
type link struct {
	*hale.Conn
	peer *net.TCPConn
	flow *flow
}

// connect makes so many connections, one after the other.
func (l *lab) connect(n int, d hale.Dialer) (links []*link, err error) {
	err = l.client.Do(func() error {
		for range n {
			made, err := l.dial(d)
			if err != nil {
				return err
			}
			links = append(links, made)
		}
		return nil
	})
	return links, err
}

// dial runs on a thread of the client's host.
func (l *lab) dial(d hale.Dialer) (*link, error) {
	n := l.last.Add(1)
	address := net.JoinHostPort(fmt.Sprintf("10.80.%d.%d", n>>8, n&0xff), port)
	accepted := make(chan *net.TCPConn, 1)
	l.waiting.Store(address, accepted)
	ctx, cancel := context.WithTimeout(context.Background(), setup)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l.t.Cleanup(func() { c.Close() })
	select {
	case peer := <-accepted:
		l.t.Cleanup(func() { peer.Close() })
		return &link{c.(*hale.Conn), peer, &l.path.flows[n]}, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s was not accepted", address)
	}
}
