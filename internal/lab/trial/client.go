// Package trial uses client libraries while their server vanishes, through
// hale's dialer and through their own, and tells what their users saw.
package trial

import (
	"context"
	"net"
)

// Dial is a dial function in the shape that most libraries take.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Client is a client library, as a program would set it up.
type Client struct {
	Name string // as its users know it: "pgxpool", "net/http, HTTP/2"

	// Open connects to the server at address by dial, or in the way that the
	// library itself has if dial is nil. It sets no timeout that the library
	// does not set by itself. ctx ends with the session.
	Open func(ctx context.Context, address string, dial Dial) (Session, error)
}

// Session is a client that is open.
type Session struct {
	// Request sends one small request and waits for its reply. It may be
	// called by several goroutines at once, and returns soon after ctx has
	// ended, which it does at the end of the trial and not before. Its error is
	// what the library's user sees.
	Request func(ctx context.Context) error

	// Close frees everything. No request is under way then. It does not wait
	// for a server that is silent.
	Close func() error
}
