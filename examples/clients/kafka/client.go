// Package kafkahale shows franz-go over hale's connections.
package kafkahale

import (
	"context"
	"net"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Dial is a dial function in the shape of hale.Dialer's DialContext.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// NewClient is a client of the cluster that has a broker at address, over connections that
// dial makes: the DialContext of a hale.Dialer, or nil for franz-go's own. With TLS, dial
// has to return a [crypto/tls.Conn].
//
// What franz-go does by itself stays: a request has a time limit (10 s more than the
// broker's own, RequestTimeoutOverhead), connections are made anew, and records are sent
// again, without duplicates, since producers are idempotent by default. A promise below
// that limit has it try the next broker sooner; nobody sees an error for it.
func NewClient(address string, dial Dial, opts ...kgo.Opt) (*kgo.Client, error) {
	opts = append(opts, kgo.SeedBrokers(address))
	if dial != nil {
		opts = append(opts, kgo.Dialer(dial))
	}
	return kgo.NewClient(opts...)
}
