package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestServersDieWithTheProgram(t *testing.T) {
	t.Parallel()
	p := start(t, "-for", "10m", "-workers", "1")
	p.waitFor(t, "the load begins")
	servers := children(t, p.Process.Pid)
	if len(servers) != 2 {
		t.Fatalf("%d servers", len(servers))
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.status()
	for _, pid := range servers {
		for end := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("process %s is still there", pid)
			}
		}
	}
}

func TestAProcessStandsStillForATime(t *testing.T) {
	t.Parallel()
	p := start(t, "-for", "10m", "-workers", "1")
	p.waitFor(t, "the load begins")
	const d = 300 * time.Millisecond
	begun, over := time.Now(), make(chan error)
	go func() { over <- stopFor(p.Process.Pid, d) }()
	for end := time.Now().Add(10 * time.Second); state(p.Process.Pid) != "T"; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it goes on")
		}
	}
	if err := <-over; err != nil || time.Since(begun) < d {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
	for end := time.Now().Add(10 * time.Second); state(p.Process.Pid) == "T"; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not go on")
		}
	}
	if err := p.Process.Kill(); err != nil {
		t.Error(err)
	}
	p.status()
}

// state is the letter that the kernel has for what a process does.
func state(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:min(1, len(rest))]
}

// children are the process ids of those that a process has started.
func children(t *testing.T, pid int) (all []string) {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}

// alive reports whether a process runs; what nobody has waited for does not.
func alive(pid string) bool {
	n, err := strconv.Atoi(pid)
	now := state(n)
	return err == nil && now != "" && now != "Z"
}
