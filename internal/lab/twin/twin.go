// Package twin runs a test in a second process of the same binary, so that the
// process may be stopped: what a standstill does to a program shows only from
// outside of it.
//
// The test is the same function in both. It asks [Role] which of the two it is:
//
//	if arg, ok := twin.Role(t); ok {
//		twin.Say("done")
//		return
//	}
//	p := twin.Start(t, address)
//	p.Line() // "done"
//	p.End()
package twin

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	// roleEnv holds the name of the test that the second process runs, and
	// argEnv what it is told.
	roleEnv = "HALE_TWIN"
	argEnv  = "HALE_TWIN_ARG"

	// mark begins the lines that are for the first process; the others are of
	// package testing.
	mark = "twin: "

	// patience is how long the second process may live.
	patience = time.Minute
)

// Role returns what [Start] was told if this is the second process of t.
func Role(t testing.TB) (arg string, second bool) {
	return os.Getenv(argEnv), os.Getenv(roleEnv) == t.Name()
}

// Say tells the first process a line. It is for the second one.
func Say(format string, args ...any) {
	fmt.Printf(mark+format+"\n", args...)
}

// StandStill tells the first process a line, upon which that may stop this one,
// and returns when it has stood still for more than d since.
func StandStill(d time.Duration, line string) {
	last := time.Now()
	Say("%s", line)
	for time.Since(last) <= d {
		last = time.Now()
		time.Sleep(time.Millisecond)
	}
}

// A Process is the second one. Its methods are for the test's goroutine.
type Process struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// Start runs t, which is no subtest, in a second process. It is killed when the
// test ends, and gives up by itself after a minute.
func Start(t testing.TB, arg string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout="+patience.String())}
	p.cmd.Env = append(os.Environ(), roleEnv+"="+t.Name(), argEnv+"="+arg)
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = attributes()
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	_ = stdout.(*os.File).SetReadDeadline(time.Now().Add(patience))
	p.lines = bufio.NewScanner(stdout)
	return p
}

// Line waits for the next line that the process says.
func (p *Process) Line() string {
	p.t.Helper()
	var rest []string
	for p.lines.Scan() {
		if line, ok := strings.CutPrefix(p.lines.Text(), mark); ok {
			return line
		}
		rest = append(rest, p.lines.Text())
	}
	p.t.Fatalf("the second process says no more (%v):\n%s", p.lines.Err(), strings.Join(rest, "\n"))
	return ""
}

// End waits for the process to end, and fails the test unless it ended well.
func (p *Process) End() {
	p.t.Helper()
	for p.lines.Scan() {
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Error("the second process:", err)
	}
}

func (p *Process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}
