package syscalls

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A marker is a system call that nobody makes and that does nothing: the priority
// of a kind that there is not.
const (
	marker   = 0x68616c65
	beginsAt = 1
	endsAt   = 2
)

func mark(f func()) {
	_, _ = unix.Getpriority(marker, beginsAt)
	f()
	_, _ = unix.Getpriority(marker, endsAt)
}

// Trace starts this program in a part, see [Be], and returns its windows. The calls
// of all threads count, but those of Go's scheduler and memory do not.
func Trace(ctx context.Context, part, argument string) ([]Window, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self) // not CommandContext, whose goroutine only Wait ends
	cmd.Env = append(os.Environ(), partEnv+"="+part+" "+argument)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	type result struct {
		windows []Window
		err     error
	}
	done := make(chan result)
	go func() { // the tracer is a thread, which ends with this goroutine
		runtime.LockOSThread()
		t := tracer{}
		err := t.run(ctx, cmd)
		done <- result{t.windows, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, fmt.Errorf("tracing %s: %w", part, r.err)
	}
	return r.windows, nil
}

// tracer follows a process and all its threads.
type tracer struct {
	windows []Window
	open    bool // the last window has not ended
}

func (t *tracer) run(ctx context.Context, cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	defer cmd.Process.Release()
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	pid := cmd.Process.Pid
	status, err := t.follow(pid)
	if err != nil {
		_ = cmd.Process.Kill()
		_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
		return err
	}
	if status.ExitStatus() != 0 {
		return errors.Join(ctx.Err(), fmt.Errorf("it ended with status %#x", int(status)))
	}
	return nil
}

// follow has every thread stop at each call, until the process ends.
func (t *tracer) follow(pid int) (status unix.WaitStatus, err error) {
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil { // for the exec
		return status, err
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return status, err
	}
	if err := unix.PtraceSyscall(pid, 0); err != nil {
		return status, err
	}
	for {
		tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return status, err
		case status.Exited() || status.Signaled():
			if tid == pid {
				return status, nil
			}
			continue
		}
		deliver := 0
		switch signal := status.StopSignal(); {
		case signal == unix.SIGTRAP|0x80:
			if err := t.note(tid); err != nil {
				return status, err
			}
		case signal == unix.SIGTRAP, signal == unix.SIGSTOP: // a new thread
		default:
			deliver = int(signal)
		}
		if err := unix.PtraceSyscall(tid, deliver); err != nil && !errors.Is(err, unix.ESRCH) {
			return status, err
		}
	}
}

// syscallInfo is struct ptrace_syscall_info (linux/ptrace.h).
type syscallInfo struct {
	op     uint8
	_      [3]uint8
	arch   uint32
	ip, sp uint64
	number uint64
	args   [6]uint64
	_      [2]uint64 // what other stops have
}

const (
	ptraceGetSyscallInfo = 0x420e
	syscallEntry         = 1
)

// note counts a call that a thread is about to make.
func (t *tracer) note(tid int) error {
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	switch {
	case errno == unix.ESRCH:
		return nil
	case errno != 0:
		return fmt.Errorf("PTRACE_GET_SYSCALL_INFO (Linux 5.3 and newer): %w", errno)
	case info.op != syscallEntry:
		return nil
	}
	number := int(info.number)
	switch {
	case number == unix.SYS_GETPRIORITY && info.args[0] == marker:
		t.open = info.args[1] == beginsAt
		if t.open {
			t.windows = append(t.windows, Window{})
		}
	case t.open && !schedules[number]:
		t.windows[len(t.windows)-1][nameOf(number, info.args)]++
	}
	return nil
}
