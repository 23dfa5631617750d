package healthtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// parentEnv marks the second process; its value is the first one's
	// process id. A grandchild that inherits it has another parent, so it is
	// not taken for the second process, and the second process never starts
	// a third.
	parentEnv = "HEALTHTEST_ISOLATED_BY"

	// reportFD is where the second process tells the first what went wrong,
	// or closes the pipe in silence when all is well.
	reportFD = 3
)

// capabilities are what the second process keeps of those that clone(2) with
// CLONE_NEWUSER gives. They are ambient, so that they survive execve(2)
// without the user becoming root.
var capabilities = []uintptr{
	unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_ADMIN,
}

func isolate() error {
	defer dropOutside() // what the second process has by then, or does not need
	if isSecond() {
		return settle()
	}
	// A namespace gives the right to, and no other kernel.
	if err := canFreeze(); err == nil || errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return restart()
}

func isSecond() bool { return os.Getenv(parentEnv) == strconv.Itoa(os.Getppid()) }

// restart returns only if the second process could not be made to work.
func restart() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := again(w)
	// Pdeathsig is sent when the thread that started the child ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Before the start: a signal must not end this process and leave the
	// second, which Pdeathsig would kill, no time to tidy up.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	defer close(signals)
	defer signal.Stop(signals)
	err = cmd.Start()
	w.Close()
	if errors.Is(err, unix.ENOSPC) { // user_namespaces(7); the words for it are misleading
		err = fmt.Errorf("the limit of /proc/sys/user/max_user_namespaces or max_net_namespaces is reached: %w", err)
	}
	if err != nil {
		return fmt.Errorf("no user and network namespace for this process: %w", err)
	}
	go pass(signals, cmd.Process)
	return follow(cmd, r)
}

// again is this program once more, in namespaces of its own.
func again(report *os.File) *exec.Cmd {
	return &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       os.Args,
		Env:        append(os.Environ(), parentEnv+"="+strconv.Itoa(os.Getpid())),
		Stdin:      os.Stdin,
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		ExtraFiles: []*os.File{report}, // becomes reportFD
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
			UidMappings: identity(os.Geteuid()),
			GidMappings: identity(os.Getegid()),
			AmbientCaps: capabilities,
			Pdeathsig:   unix.SIGKILL,
		},
	}
}

// identity maps id to itself, the one mapping that user_namespaces(7) lets an
// unprivileged process write. It is not mapped to root: programs that refuse
// to run as root work inside, and so do tests that ask whether they are root.
func identity(id int) []syscall.SysProcIDMap {
	return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
}

// pass hands signals on to p.
func pass(signals <-chan os.Signal, p *os.Process) {
	for s := range signals {
		// It fails if p has just ended, as this process is about to.
		_ = p.Signal(s)
	}
}

// follow ends this process the way cmd ends, unless cmd reports a failure.
func follow(cmd *exec.Cmd, report io.Reader) error {
	reason, _ := io.ReadAll(report) // ends at the latest when cmd does
	// Wait's error repeats the status: there is no copying that could fail.
	_ = cmd.Wait()
	if len(reason) > 0 {
		return errors.New(string(reason))
	}
	os.Exit(status(cmd.ProcessState))
	return nil
}

// status is the exit status as a shell gives it.
func status(p *os.ProcessState) int {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return p.ExitCode()
}

// settle makes the second process ready, or reports why not and ends it: the
// first then goes on alone.
func settle() error {
	report := os.NewFile(reportFD, "report")
	defer report.Close()
	err := errors.Join(raiseLoopback(), canFreeze(), os.Unsetenv(parentEnv))
	if err == nil {
		return nil
	}
	if _, writeErr := io.WriteString(report, err.Error()); writeErr != nil {
		return err
	}
	os.Exit(1)
	return nil
}

// raiseLoopback does what "ip link set lo up" does: a new network namespace
// has its loopback interface down (netdevice(7), SIOCSIFFLAGS).
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return fmt.Errorf("read the flags of lo: %w", err)
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}
