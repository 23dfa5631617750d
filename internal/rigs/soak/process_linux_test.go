package main

import (
	"fmt"
	"os"
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
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	_, state, _ := strings.Cut(string(b), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}
