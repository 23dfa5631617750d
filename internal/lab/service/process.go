package service

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a program that was started.
type process struct {
	cmd  *exec.Cmd
	log  string        // the file with all it has said
	done chan struct{} // closed when it has ended
}

// start starts the program at path in the folder. It dies if this process
// does.
func (h Home) start(path string, args ...string) (*process, error) {
	log, err := os.CreateTemp(h.Folder, "log-")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.Command(path, args...), log: log.Name(), done: make(chan struct{})}
	p.cmd.Dir = h.Folder
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = attributes()
	return p, p.start()
}

// start leaves a goroutine that ends with the program.
func (p *process) start() error {
	started := make(chan error)
	go func() {
		// The signal that the program gets when this process dies is sent when
		// the thread that started it ends, prctl(2).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // ProcessState tells how it ended
			close(p.done)
		}
	}()
	return <-started
}

// stop ends the program, by signal or by force if it takes its time. It is an
// error if the program had ended already, or says by its exit status that
// something went wrong.
func (p *process) stop(signal os.Signal) error {
	if !p.running() {
		return fmt.Errorf("ended before it was told to: %s\n%s", p.cmd.ProcessState, p.tail())
	}
	if signal == nil {
		signal = syscall.SIGTERM
	}
	_ = p.cmd.Process.Signal(signal) // where there are no signals, grace passes
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.complaint()
	case <-timer.C:
		return p.kill()
	}
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// complaint is nil if the program ended well, or by a signal.
func (p *process) complaint() error {
	if p.cmd.ProcessState.ExitCode() <= 0 {
		return nil
	}
	return fmt.Errorf("ended: %s\n%s", p.cmd.ProcessState, p.tail())
}

// kill ends the program by force, if it has not ended.
func (p *process) kill() error {
	_ = p.cmd.Process.Kill() // it fails if there is nothing left to end
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return fmt.Errorf("process %d cannot be killed", p.cmd.Process.Pid)
	}
}

// tail is the end of what the program has said.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
