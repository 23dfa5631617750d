package network

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// The roles of this binary, when it is started as a program on a host, by the
// value of roleEnv. A role returns the exit status.
const (
	roleEnv    = "HALE_NETWORK_ROLE"
	addressEnv = "HALE_NETWORK_ADDRESS"

	serverRole = "server"
	keeperRole = "keeper"
)

var roles = map[string]func() int{serverRole: serverMain, keeperRole: keeperMain}

// ready is the first line that a program prints.
const ready = "ready"

// A process is a program on a host.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner // of what it prints
}

// startProcess starts the program on the host, and returns when it is ready. It
// ends with the test at the latest.
func startProcess(t *testing.T, h *testnet.Host, role, address string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command("/proc/self/exe")}
	p.cmd.Env = append(os.Environ(), roleEnv+"="+role, addressEnv+"="+address)
	p.cmd.Stderr = os.Stderr
	// A group of its own: should this process die while it is stopped, the
	// kernel wakes and ends it (an orphaned process group, setpgid(2)).
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, err := p.cmd.StdinPipe() // which it reads to know when this process ends
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Do(p.cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	stdout.(*os.File).SetReadDeadline(time.Now().Add(time.Minute))
	p.lines = bufio.NewScanner(stdout)
	if line := p.line(); line != ready {
		t.Fatalf("%s: %q", role, line)
	}
	return p
}

// line is the next line that the process prints.
func (p *process) line() string {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("the process has said all: %v", p.lines.Err())
	}
	return p.lines.Text()
}

// kill ends the process without a warning, and returns when it is gone.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// stop stops the process and returns when it stands still.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, promise, "the process is stopped", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		_, state, _ := strings.Cut(string(stat), ") ")
		return err == nil && strings.HasPrefix(state, "T")
	})
}

func (p *process) proceed() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		p.t.Fatal(err)
	}
}

// serverMain is the role of a server. It ends when it is killed, or its parent
// ends.
func serverMain() int {
	l, err := listen(os.Getenv(addressEnv))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	newServer(l)
	fmt.Println(ready)
	untilAlone()
	return 0
}

// untilAlone returns when the parent ends.
func untilAlone() { _, _ = io.Copy(io.Discard, os.Stdin) }
