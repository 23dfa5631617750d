package netconn

import (
	"context"
	"net"
	"time"
)

// Past is a deadline that ends every call on a connection at once.
var Past = time.Unix(1, 0)

// Bind makes every call on c fail once ctx has ended, by c's deadlines; until
// then they are ctx's, or none if it has none, whatever they were before. The
// error is that of setting them. end undoes it, but for the deadlines, which
// are then the caller's to set; it reports whether ctx had ended before.
func Bind(ctx context.Context, c net.Conn) (end func() (late bool), err error) {
	deadline, _ := ctx.Deadline() // zero is none
	err = c.SetDeadline(deadline)
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = c.SetDeadline(Past)
	})
	return func() bool {
		if stop() {
			return false
		}
		<-interrupted
		return true
	}, err
}
