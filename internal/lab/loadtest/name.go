package loadtest

import (
	"context"
	"net"
	"sync"
	"time"
)

// DialFunc is the DialContext method of a dialer.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// A Name stands for a host name in a name service that notices when a server
// does not answer: it leads to the first of its servers until a dial there
// has failed, then to the next, and after the last to the first again.
type Name struct {
	servers  []*Server
	patience time.Duration

	mu      sync.Mutex // guards what follows
	current int
}

// NewName returns a name for servers, to each of which a dial may take as long
// as patience.
func NewName(patience time.Duration, servers ...*Server) *Name {
	return &Name{servers: servers, patience: patience}
}

// Dial looks the name up and dials the server that it leads to now, that one
// and no other.
func (n *Name) Dial(ctx context.Context, dial DialFunc) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, n.patience)
	defer cancel()
	i := n.lookup()
	c, err := dial(ctx, "tcp", n.servers[i].Addr())
	if err != nil {
		n.failed(i)
	}
	return c, err
}

func (n *Name) lookup() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

// failed moves the name on, unless another dial has done so already.
func (n *Name) failed(i int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current == i {
		n.current = (i + 1) % len(n.servers)
	}
}
