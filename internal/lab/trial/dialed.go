package trial

import (
	"context"
	"net"
	"sync"
)

// Dialed dials for one session, and closes what it has dialled. It is for
// libraries whose own Close waits for a server that is silent, or leaves
// connections open that are busy at the moment. It is safe for concurrent use.
type Dialed struct {
	Inner Dial // required

	mu     sync.Mutex // guards what follows
	conns  []net.Conn
	closed bool
}

// DialContext dials by Inner. After Close it fails, with [net.ErrClosed].
func (d *Dialed) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Inner(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		c.Close()
		return nil, net.ErrClosed
	}
	d.conns = append(d.conns, c)
	return c, nil
}

// Close closes all connections, those included that are being dialled.
func (d *Dialed) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, c := range d.conns {
		c.Close()
	}
}
