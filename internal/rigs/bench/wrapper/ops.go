package wrapper

import (
	"io"
	"net"
	"os"
)

// ends are two connections and their peers: data comes in on one, and leaves on the
// other.
type ends struct {
	in, out         net.Conn
	inPeer, outPeer *net.TCPConn
}

// An op is a call of a connection.
type op struct {
	name   string
	bound  string
	feeds  bool // it reads from in
	drains bool // it writes to out
	free   bool // it may not allocate
	// prepare returns the call for so many bytes. What it holds is given back by tidy.
	prepare func(e *ends, size int) (do func() error, tidy func(), err error)
}

func nothing() {}

// copyOfFile is the op that allocates more by hale.
const copyOfFile = "io.Copy of a file"

var ops = []op{
	{
		name: "Read", bound: "read(2), and the copy out of the kernel", feeds: true, free: true,
		prepare: func(e *ends, size int) (func() error, func(), error) {
			buf := make([]byte, size)
			return func() error {
				_, err := io.ReadFull(e.in, buf)
				return err
			}, nothing, nil
		},
	},
	{
		name: "Write", bound: "write(2): on loopback it delivers to the peer, too", drains: true, free: true,
		prepare: func(e *ends, size int) (func() error, func(), error) {
			buf := make([]byte, size)
			return func() error {
				_, err := e.out.Write(buf)
				return err
			}, nothing, nil
		},
	},
	{
		name: "net.Buffers", bound: "writev(2) of four pieces", drains: true, free: true,
		prepare: func(e *ends, size int) (func() error, func(), error) {
			pieces := make([][]byte, 4)
			for i := range pieces {
				pieces[i] = make([]byte, size/4)
			}
			again := make([][]byte, 4)
			buffers := new(net.Buffers) // that it escapes is of net's interface
			return func() error {
				copy(again, pieces) // WriteTo eats them
				*buffers = again
				_, err := buffers.WriteTo(e.out)
				return err
			}, nothing, nil
		},
	},
	{
		name: "io.Copy of a connection", bound: "splice(2), into a pipe and out of it", feeds: true, drains: true,
		prepare: func(e *ends, size int) (func() error, func(), error) {
			return func() error {
				_, err := io.CopyN(e.out, e.in, int64(size))
				return err
			}, nothing, nil
		},
	},
	{
		name: copyOfFile, bound: "sendfile(2)", drains: true,
		prepare: func(e *ends, size int) (func() error, func(), error) {
			f, err := fileOf(size)
			if err != nil {
				return nil, nothing, err
			}
			return func() error {
				if _, err := f.Seek(0, io.SeekStart); err != nil {
					return err
				}
				_, err := io.Copy(e.out, f)
				return err
			}, func() { f.Close() }, nil
		},
	},
}

// fileOf is a file of so many bytes that has no name any more.
func fileOf(size int) (*os.File, error) {
	f, err := os.CreateTemp("", "wrapper")
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		err = f.Truncate(int64(size))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
