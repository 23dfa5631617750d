package sockopt

import (
	"syscall"
	"time"

	"example.com/hale/internal/rawconn"
)

// RTO is what the kernel says of the path.
func RTO(c syscall.RawConn) (rto time.Duration, err error) {
	err = rawconn.Control(c, func(fd uintptr) error {
		rto = descriptor(fd).rto()
		return nil
	})
	return rto, err
}
