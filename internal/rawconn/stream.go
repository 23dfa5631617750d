package rawconn

import "syscall"

// IsStream reports whether c's socket carries a stream, which has an end, and no
// datagrams, of which one may be empty. Where the operating system does not tell,
// it is one.
func IsStream(c syscall.RawConn) (stream bool, err error) {
	err = Control(c, func(fd uintptr) (err error) {
		stream, err = isStream(fd)
		return err
	})
	return stream, err
}
