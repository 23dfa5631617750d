package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// childEnv marks the process that is the peer of scenario stopped: this
// program, started again.
const childEnv = "FROZENPEER_CHILD"

// serve is what that process does: it says where it listens, greets everybody
// and sends back what it gets, until it is killed.
func serve() error {
	l, err := listen(context.Background())
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if _, err := c.Write([]byte(greeting)); err != nil {
			return err
		}
		go io.Copy(c, c)
	}
}

// A child is that process, seen from here.
type child struct {
	cmd  *exec.Cmd
	addr string
	stop func() error // stops the process, not its kernel; acts once
}

// startChild starts the child, to be killed at the latest when ctx is done.
// The goroutine that calls it has to call end, and keeps its thread until
// then: the child is killed if that thread ends, which is how not even our own
// violent death leaves a stopped process behind.
func startChild(ctx context.Context) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self)}
	c.stop = sync.OnceValue(func() error { return suspend(c.cmd.Process) })
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = dieWithParent()
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	if err := c.cmd.Start(); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		c.end()
		return nil, fmt.Errorf("the peer's process did not come up: %w", err)
	}
	c.addr = strings.TrimSpace(line)
	return c, nil
}

// end kills the child, stopped or not, and waits for it.
func (c *child) end() {
	c.cmd.Process.Kill()
	c.cmd.Wait() // its error is that we killed it
	runtime.UnlockOSThread()
}
