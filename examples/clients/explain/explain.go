// Package explain finds the cause of an error whose library hides it.
package explain

import (
	"fmt"
	"net"

	"example.com/hale"
	"example.com/hale/health"
)

// Error adds to err what the connection that it came from has died of: some libraries
// keep the text of a connection's error and not the error, or put one of their own in its
// place. conn is what was dialled, under any wrapper. An error of a connection that lives,
// or that has its cause underneath, and nil, are returned as they are.
func Error(err error, conn net.Conn) error {
	hc, ok := hale.From(conn)
	if err == nil || !ok || hc.Err() == nil || health.Classify(err) != health.Unknown {
		return err
	}
	return fmt.Errorf("%w: %w", err, hc.Err())
}
