package machines

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

// What a processor can be told by: sizes, and the order of bytes.
var processorPackages = []string{"sockopt", "health", "health/deathwatch", "internal/rawconn", "internal/errno", "."}

// A processor of 32 bits that this one can be, too.
func TestAProcessorOf32BitsRunsTheTests(t *testing.T) {
	need(t, all)
	if runtime.GOARCH != "amd64" {
		t.Skip("this is no amd64")
	}
	network(t)
	for _, folder := range chosen(processorPackages) {
		testsOn(t, "386", folder, nil)
	}
}

// A processor whose bytes are in the other order. The emulator hands system calls to
// this kernel, but not every option of a socket.
func TestABigEndianProcessorRunsTheTests(t *testing.T) {
	need(t, all)
	const emulator = "qemu-s390x-static"
	needProgram(t, emulator, "qemu-user-static")
	network(t)
	for _, folder := range chosen([]string{"sockopt", "internal/errno", "internal/netconn", "health"}) {
		testsOn(t, "s390x", folder, []string{emulator})
	}
}

func TestAnotherProcessorsKernelRunsTheTests(t *testing.T) {
	need(t, all)
	testsIn(t, arm64, chosen([]string{"sockopt", "health", "internal/rawconn"}), 10*time.Minute)
}

// testsOn runs the tests of a package, built for another processor, beside us.
func testsOn(t *testing.T, goarch, folder string, emulator []string) {
	t.Helper()
	path := workFile("test-" + goarch + "-" + binary(folder))
	build(t, haleFolder, goarch, "test", "-c", "-ldflags=-s -w", "-o", path, "./"+folder)
	args := slices.Concat(emulator, []string{path}, testArguments(t, folder))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = filepath.Join(haleFolder, folder)
	cmd.Env = append(os.Environ(), "TMPDIR="+os.Getenv(workEnv))
	start := time.Now()
	p := startProcess(t, cmd)
	<-p.done
	r := testRun{ended: true, said: p.said(), seconds: fmt.Sprintf("%.1f", time.Since(start).Seconds())}
	if !cmd.ProcessState.Success() {
		r.failure = cmd.ProcessState.String()
	}
	r.count()
	judge(t, r, "hale's tests, "+goarch, folder)
}
