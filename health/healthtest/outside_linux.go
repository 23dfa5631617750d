package healthtest

import (
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"example.com/hale/internal/rawconn"
)

// outsideEnv has what the first process hands over to the second: of each listener its
// network, its address, and the number of its descriptor.
const outsideEnv = "HEALTHTEST_OUTSIDE"

// outsideFD is above the descriptors that the second process gets by number.
const outsideFD = 10

func listenOutside(network, address string) (net.Listener, error) {
	name := network + "!" + address + "="
	if isSecond() {
		if fd, ok := takeOver(name); ok {
			return inherited(fd)
		}
	}
	l, err := net.Listen(network, address)
	if err != nil || canFreeze() == nil { // and so this process is the one that serves
		return l, err
	}
	if err := handOver(l, name); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// handOver leaves a descriptor that the second process has, too (fcntl(2): F_DUPFD leaves
// FD_CLOEXEC off), and notes its number.
func handOver(l net.Listener, name string) error {
	raw, err := rawconn.Of(l)
	if err != nil {
		return err
	}
	var number int
	err = rawconn.Control(raw, func(fd uintptr) (err error) {
		number, err = unix.FcntlInt(fd, unix.F_DUPFD, outsideFD)
		return os.NewSyscallError("fcntl", err)
	})
	if err != nil {
		return err
	}
	return setOutside(append(outside(), name+strconv.Itoa(number)))
}

// takeOver returns the descriptor with a name, which nobody else is given then.
func takeOver(name string) (fd int, ok bool) {
	all := outside()
	for i, entry := range all {
		if number, found := strings.CutPrefix(entry, name); found {
			fd, err := strconv.Atoi(number)
			return fd, err == nil && setOutside(append(all[:i:i], all[i+1:]...)) == nil
		}
	}
	return 0, false
}

// inherited is the listener with a descriptor, which further processes have not.
func inherited(fd int) (net.Listener, error) {
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	return net.FileListener(f) // of a copy
}

// dropOutside closes what was handed over and nobody has taken.
func dropOutside() {
	for _, entry := range outside() {
		_, number, _ := strings.Cut(entry, "=")
		if fd, err := strconv.Atoi(number); err == nil {
			unix.Close(fd)
		}
	}
	os.Unsetenv(outsideEnv)
}

func outside() []string { return strings.Fields(os.Getenv(outsideEnv)) }

func setOutside(all []string) error { return os.Setenv(outsideEnv, strings.Join(all, " ")) }
