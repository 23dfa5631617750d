// Package child starts this program again, as a process in another role, which
// says lines of text and may be told some.
package child

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// roleEnv has the role of a process that was started by [Start].
const roleEnv = "HALE_LAB_ROLE"

// Be plays the role, and ends the process with it, if this process was started
// for that. It comes first in main, and in TestMain.
func Be(role string, play func() error) {
	if os.Getenv(roleEnv) != role {
		return
	}
	if err := play(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A Process is a child, seen from here.
type Process struct {
	cmd   *exec.Cmd
	in    io.Writer
	out   *bufio.Reader
	ended chan struct{} // closed when it has been waited for
}

// Start starts a child, which is killed at the latest when ctx is done, and on
// Linux by the kernel if this process dies. The caller kills it.
func Start(ctx context.Context, role string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = dieWithParent()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// Not StdoutPipe, which goes with the process: its last words count.
	out, stdout, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	cmd.Stdout = stdout
	p := &Process{cmd: cmd, in: in, out: bufio.NewReader(out), ended: make(chan struct{})}
	return p, p.start(out)
}

// start leaves a goroutine that ends with the child. It keeps its thread until
// then: the kernel kills the child when the thread ends that started it.
func (p *Process) start(out io.Closer) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // killed, as likely as not
			close(p.ended)
		}
	}()
	return <-started
}

// Line is the next that the child says.
func (p *Process) Line() (string, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the child process says no more: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// Ask tells the child something and waits for its next line.
func (p *Process) Ask(what string) (answer string, err error) {
	if _, err := fmt.Fprintln(p.in, what); err != nil {
		return "", err
	}
	return p.Line()
}

// Suspend stops the process, not its kernel, and returns when it stands.
func (p *Process) Suspend() error { return suspend(p.cmd.Process) }

// Kill ends the child, suspended or not, and waits for it. It may be called
// again.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it fails if there is nothing left to end
	<-p.ended
}
