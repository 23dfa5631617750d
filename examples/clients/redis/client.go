// Package redishale shows go-redis over hale's connections: [NewClient] is for
// commands and for subscriptions.
package redishale

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// Dial is the DialContext of a hale.Dialer.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// NewClient is a client of the server at address, on connections that dial
// makes; nil is go-redis' own dialer. It opens none yet.
//
// What go-redis does by itself stays: a reply that takes longer than
// ReadTimeout, 5 s by default, gives the connection up, and commands are sent
// again up to three times, whether they have reached the server or not. It
// looks at the socket of an idle connection before it uses it again.
//
// With a Dialer, go-redis does not heed TLSConfig: dial has to return a
// [crypto/tls.Conn] then.
func NewClient(address string, dial Dial) *redis.Client {
	return redis.NewClient(options(address, dial))
}

func options(address string, dial Dial) *redis.Options {
	return &redis.Options{Addr: address, Dialer: dial}
}
