package machines

import (
	"fmt"
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
		testsOn(t, "386", folder, "", nil)
	}
}

// A processor whose bytes are in the other order. The emulator hands system calls to
// this kernel, but of socket options only numbers: TCP_INFO and filters come out empty.
// So it is package sockopt that meets the kernel, and of the others what they read.
func TestABigEndianProcessorRunsTheTests(t *testing.T) {
	need(t, all)
	const emulator = "qemu-s390x-static"
	needProgram(t, emulator, "qemu-user-static")
	network(t)
	for _, folder := range chosen([]string{"sockopt", "health", "internal/errno", "internal/netconn"}) {
		run := ""
		if folder == "health" {
			run = oneOf(testsOfAll(t, folder))
		}
		// The timeout of a path is in TCP_INFO.
		testsOn(t, "s390x", folder, run, []string{emulator}, "TestTheKernelTellsTheTimeoutOfThePath")
	}
}

// testsOn runs the tests of a package, built for another processor, beside us, but for
// those that cannot be run there.
func testsOn(t *testing.T, goarch, folder, run string, emulator []string, not ...string) {
	t.Helper()
	args := slices.Concat(emulator, []string{testBinary(t, goarch, folder)}, testArguments(t, folder, run))
	if emulator == nil {
		args = append(args, "-test.parallel=64") // as testnet.Main has it
	} else {
		args = append(args, "-test.skip="+oneOf(slices.Concat(cannot, not)))
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = filepath.Join(haleFolder, folder)
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
