package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

// stopEnv makes the program one that stops its parent for the time that is its
// value, and has it go on.
const stopEnv = "HALE_SOAK_STOP"

// stopped stops this process for a time. It cannot have itself go on, so a child
// does both.
func stopped(d time.Duration) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), stopEnv+"="+d.String())
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = bound()
	return cmd.Run()
}

// stopParent is the program in the role of that child. It returns the exit
// status.
func stopParent(value string) int {
	d, err := time.ParseDuration(value)
	if err == nil {
		err = stopFor(os.Getppid(), d)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak: standstill:", err)
		return 1
	}
	return 0
}
