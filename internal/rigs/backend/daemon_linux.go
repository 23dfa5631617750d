package backend

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// daemon is a program that runs until the test ends.
type daemon struct {
	name string
	cmd  *exec.Cmd
	log  string // the file with all it has said
	done chan struct{}
}

// launch starts a program. It ends with the test: asked to, and killed if it
// does not.
func launch(t testing.TB, cmd *exec.Cmd) *daemon {
	t.Helper()
	d := &daemon{name: filepath.Base(cmd.Path), cmd: cmd, log: filepath.Join(t.TempDir(), "log"), done: make(chan struct{})}
	log, err := os.Create(d.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.start(); err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	t.Cleanup(d.stop)
	return d
}

// start starts the program; it dies if this process does.
func (d *daemon) start() error {
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// Pdeathsig is sent when the thread that started the child ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := d.cmd.Start()
		started <- err
		if err == nil {
			_ = d.cmd.Wait() // the state tells how it ended
			close(d.done)
		}
	}()
	return <-started
}

// stop returns when the program has ended.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it fails if there is nothing left to end
	select {
	case <-d.done:
	case <-time.After(5 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

// await returns when ready does not fail any more.
func (d *daemon) await(t testing.TB, ready func() error) {
	t.Helper()
	err := errors.New("not asked")
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case <-d.done:
			t.Fatalf("%s ended: %v\n%s", d.name, d.cmd.ProcessState, d.tail())
		default:
		}
		if err = ready(); err == nil {
			return
		}
	}
	t.Fatalf("%s is not ready after %v: %v\n%s", d.name, patience, err, d.tail())
}

// tail is the end of what the program has said.
func (d *daemon) tail() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
