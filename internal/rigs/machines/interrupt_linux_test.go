package machines

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These experiments are interrupted while a process of theirs is frozen, which is the
// one state in which the kernel cannot end it.
func TestAnInterruptLeavesNothing(t *testing.T) {
	need(t, quick)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			interrupted(t, s)
		})
	}
}

func interrupted(t *testing.T, s syscall.Signal) {
	t.Helper()
	work := t.TempDir()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestAProcessThatIsFrozenTakesNobodyForDead$", "-test.v", "-machines="+quick)
	cmd.Env = append(os.Environ(), workEnv+"=", "TMPDIR="+work)
	p := startProcess(t, cmd)
	var groups []string
	eventually(t, bootTimeout, "a process is frozen", func() bool {
		groups = frozenGroups(work)
		return len(groups) > 0 || p.ended()
	})
	if p.ended() {
		t.Fatalf("it has ended: %s", p.said())
	}
	p.signal(t, s)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		t.Fatalf("it goes on: %s", p.said())
	}
	left, err := os.ReadDir(work)
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
	for _, folder := range groups {
		if _, err := os.Stat(folder); err == nil {
			t.Errorf("%s is left", folder)
		}
	}
	programs, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range programs {
		if at, err := os.Readlink(link); err == nil && strings.HasPrefix(at, work) {
			t.Errorf("a process is left: %s", at)
		}
	}
}

// frozenGroups are the cgroups that are frozen, of the experiments that work below a
// folder.
func frozenGroups(below string) (groups []string) {
	works, _ := filepath.Glob(filepath.Join(below, "hale-machines-*"))
	for _, work := range works {
		for _, f := range freezers {
			folders, _ := filepath.Glob(filepath.Join(f.folder, filepath.Base(work)+"-*"))
			for _, folder := range folders {
				if state, err := os.ReadFile(filepath.Join(folder, f.file)); err == nil && strings.TrimSpace(string(state)) == f.frozen {
					groups = append(groups, folder)
				}
			}
		}
	}
	return groups
}
