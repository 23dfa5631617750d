package httphale

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"

	"github.com/coder/websocket"

	"example.com/hale"
)

// Dial is a dial function in the shape of hale.Dialer's DialContext.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// NewTransport is net/http's default transport over connections that dial
// makes: the DialContext of a [hale.Dialer], or nil for the transport's own.
// TLS lies above them. A connection that dies leaves the transport's pool
// within a moment, and the next request dials.
//
// The transport sends a request again by itself if it is idempotent and got no
// reply on an HTTP/1.1 connection that was used before. Where it does not, the
// request's error has a *health.DeadError underneath, so health.Classify tells
// its cause. On HTTP/2 requests share a connection, and those that are under
// way on it when it dies fail together.
func NewTransport(dial Dial, config *tls.Config) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if dial != nil {
		t.DialContext = dial
	}
	t.TLSClientConfig = config
	// With a dial function or TLS settings of its own, a transport speaks
	// HTTP/2 only if it is told to. (The default one, and so its clone, is.)
	t.ForceAttemptHTTP2 = true
	return t
}

// DialWebSocket opens a WebSocket at address, wss:// or ws://, by client, and
// returns the connection that lies under it and TLS: nil if that is not a
// hale.Conn. Nothing else leads to it, because a transport hides the
// connection of a response that it has upgraded.
//
// Its Err tells for nothing whether an idle WebSocket is still good, its Done
// when it has died. A Read that waits ends by itself, with the cause.
func DialWebSocket(ctx context.Context, address string, client *http.Client) (*websocket.Conn, *hale.Conn, error) {
	var under *hale.Conn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { under, _ = hale.From(i.Conn) },
	})
	ws, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: client})
	return ws, under, err
}
