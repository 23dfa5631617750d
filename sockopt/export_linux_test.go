package sockopt

import (
	"syscall"
	"time"

	"example.com/hale/internal/rawconn"
)

// ParseRetries2 is what Current makes of the file.
func ParseRetries2(s string) uint8 { return parseRetries2(s) }

// RTO is what the kernel says of the path.
func RTO(c syscall.RawConn) (rto time.Duration, err error) {
	err = rawconn.Control(c, func(fd uintptr) error {
		rto = descriptor(fd).rto()
		return nil
	})
	return rto, err
}
