package twin

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// attributes put the process into a group of its own: should this process die
// while that one is stopped, the kernel wakes and ends it (an orphaned process
// group, setpgid(2)).
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// Stop stops the process, as by SIGSTOP, and returns when it stands still.
func (p *Process) Stop() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	for end := time.Now().Add(patience); !p.stopped(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal("the second process cannot be stopped")
		}
	}
}

// Continue has a stopped process go on.
func (p *Process) Continue() {
	p.t.Helper()
	p.signal(syscall.SIGCONT)
}

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Process) stopped() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(state, "T")
}
