package service

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health/healthtest"
)

// settle is how long the server's program may take to accept what its kernel
// has already set up.
const settle = 20 * time.Millisecond

// Vanish makes the server's machine disappear: its sockets drop every segment,
// nothing is acknowledged, nothing answers a dial. It is mute as well, unlike
// what [healthtest.Freeze] leaves: before, all that it has sent is acknowledged,
// or it would send that again and again, each time a sign of life. Only what its
// program says later, unasked, is still sent.
// It needs the rights of Freeze, and over another process those of ptrace
// (pidfd_getfd(2)): root has both.
func (s *Server) Vanish() error {
	// Listeners first, so that no connection escapes; then those that were
	// waiting to be accepted, which only show once the program has done so.
	if err := s.each(listeners, deafen); err != nil {
		return err
	}
	if err := s.all(refuse); err != nil {
		return err
	}
	if err := s.acknowledged(); err != nil {
		return err
	}
	return s.all(silence)
}

// all calls f for the connections, until there is none that it has missed.
func (s *Server) all(f func(socket) error) error {
	for before := -1; ; time.Sleep(settle) {
		count := 0
		err := s.each(connections, func(c socket) error { count++; return f(c) })
		if err != nil || count == before {
			return err
		}
		before = count
	}
}

// lastWords is how long the acknowledgements are waited for, which Linux puts
// off for up to 200 ms (TCP_DELACK_MAX). A client that does not read sends none.
const lastWords = time.Second

// acknowledged waits until nothing that was sent is on its way.
func (s *Server) acknowledged() error {
	for end := time.Now().Add(lastWords); ; time.Sleep(settle) {
		pending := 0
		err := s.each(connections, func(c socket) error {
			n, err := unix.IoctlGetInt(int(c.fd), unix.SIOCOUTQ)
			pending += n
			return os.NewSyscallError("ioctl SIOCOUTQ", err)
		})
		if err != nil || pending == 0 || time.Now().After(end) {
			return err
		}
	}
}

// Replace lets the server be dialled again after [Server.Vanish], while the
// connections of before stay silent for ever: as when another machine takes
// the address, or a firewall has forgotten the flows.
func (s *Server) Replace() error { return s.each(listeners, thaw) }

// Return brings everything back that [Server.Vanish] took.
func (s *Server) Return() error {
	return errors.Join(s.each(connections, thaw), s.each(listeners, thaw))
}

// kind tells a listening socket from a connection.
type kind int

const (
	connections kind = 0
	listeners   kind = 1 // as SO_ACCEPTCONN has it, socket(7)
)

// each calls f for the server's sockets of a kind.
func (s *Server) each(k kind, f func(socket) error) error {
	pids, err := family(s.pid)
	for _, pid := range pids {
		err = errors.Join(err, s.eachOf(pid, k, f))
	}
	if err != nil {
		return fmt.Errorf("service: sockets of %s: %w", s.Name, err)
	}
	return nil
}

func (s *Server) eachOf(pid int, k kind, f func(socket) error) error {
	process, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil // ended meanwhile
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(process)
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		link, _ := os.Readlink(filepath.Join(dir, e.Name()))
		fd, err := strconv.Atoi(e.Name())
		if err != nil || !strings.HasPrefix(link, "socket:") {
			continue
		}
		if err := s.withSocket(process, fd, k, f); err != nil {
			return err
		}
	}
	return nil
}

// withSocket calls f with a duplicate of the process's descriptor fd, if that
// is one of the server's sockets. The duplicate does not outlive the call: it
// would keep the connection open when the server closes it.
func (s *Server) withSocket(process, fd int, k kind, f func(socket) error) error {
	own, err := unix.PidfdGetfd(process, fd, 0)
	if errors.Is(err, unix.EBADF) || errors.Is(err, unix.ESRCH) {
		return nil // closed meanwhile
	}
	if err != nil {
		return os.NewSyscallError("pidfd_getfd", err)
	}
	defer unix.Close(own)
	accepts, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || kind(accepts) != k || localPort(own) != s.port {
		return nil // not the server's
	}
	return f(socket{fd: descriptor(own)})
}

func localPort(fd int) int {
	addr, _ := unix.Getsockname(fd)
	switch a := addr.(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	}
	return 0
}

// family is pid and all its descendants that live.
func family(pid int) ([]int, error) {
	all := []int{pid}
	if pid == os.Getpid() {
		return all, nil // what it has started is not its server
	}
	for i := 0; i < len(all); i++ {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		if err != nil {
			return nil, err
		}
		for _, task := range tasks {
			children, _ := os.ReadFile(task) // it may have ended meanwhile
			for _, word := range strings.Fields(string(children)) {
				child, err := strconv.Atoi(word)
				if err != nil {
					return nil, err
				}
				all = append(all, child)
			}
		}
	}
	return all, nil
}

// socket is a descriptor in the shape that healthtest takes.
type socket struct {
	net.Conn
	fd descriptor
}

func (s socket) SyscallConn() (syscall.RawConn, error) { return s.fd, nil }

// descriptor is a [syscall.RawConn] that can be asked for its number only.
type descriptor int

func (d descriptor) Control(f func(fd uintptr)) error { f(uintptr(d)); return nil }

func (descriptor) Read(func(uintptr) bool) error  { return errors.ErrUnsupported }
func (descriptor) Write(func(uintptr) bool) error { return errors.ErrUnsupported }

// deafen makes a listener drop everything.
func deafen(s socket) error {
	_, err := healthtest.Freeze(s)
	return err
}

// Where things are in a TCP header, RFC 9293 section 3.1.
const (
	lengthAt = 12   // of the header, in the upper four bits, in words
	flagsAt  = 13   // of which
	synRst   = 0x06 // are SYN and RST
)

const (
	pass = math.MaxUint32 // the whole segment
	drop = 0              // all of it
)

// refuse makes a connection drop what carries data: it gets no more requests,
// and still learns what is acknowledged.
func refuse(s socket) error {
	return s.filter([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: lengthAt},
		{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 4},
		{Code: unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K, K: 2}, // in bytes
		{Code: unix.BPF_MISC | unix.BPF_TAX},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_X, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: pass},
		{Code: unix.BPF_RET | unix.BPF_K, K: drop},
	})
}

// silence makes a connection drop everything but SYN and RST. Those two end
// the frozen remains of a connection that its client has given up. (To a SYN
// the kernel answers as RFC 5961 section 4.2 has it, and so has it confirmed by
// an RST.) In the end the client uses the port again, and its SYN would not get
// to the listener as long as something is left there.
func silence(s socket) error {
	return s.filter([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flagsAt},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: synRst, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: pass},
		{Code: unix.BPF_RET | unix.BPF_K, K: drop},
	})
}

func (s socket) filter(filter []unix.SockFilter) error {
	program := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.SetsockoptSockFprog(int(s.fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program)
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", err)
}

func thaw(s socket) error {
	undo, err := healthtest.Freeze(s) // in place of any other filter
	if err != nil {
		return err
	}
	return undo()
}
