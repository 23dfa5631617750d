package machines

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"example.com/hale/internal/lab/testnet"
)

// The sets of experiments, by the flag -machines.
const (
	quick = "quick" // what belongs into every run of CI
	all   = "all"
)

var setFlag = flag.String("machines", "", "which `set` of experiments to make: quick, or all; none without it")

// need ends a test that is not of the set that was asked for, or that this machine
// cannot do.
func need(t *testing.T, set string) {
	t.Helper()
	switch {
	case *setFlag == "":
		t.Skip("not without -machines: make machines")
	case *setFlag == quick && set == all:
		t.Skip("not in -machines quick: make machines-all")
	case os.Geteuid() != 0:
		testnet.Missing(t, "root, for machines and their network")
	}
	needProgram(t, "ip", "iproute2")
}

func needProgram(t *testing.T, name, packageName string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		testnet.Missing(t, name+" (Debian: "+packageName+")")
	}
}

// workEnv has the folder that the experiments work in. The process that has it runs
// in a network namespace of its own, and the one before it clears up.
const workEnv = "HALE_MACHINES_WORK"

func TestMain(m *testing.M) {
	flag.Parse()
	switch {
	case *setFlag == "" || os.Geteuid() != 0:
		goleak.VerifyTestMain(m)
	case *setFlag != quick && *setFlag != all:
		fmt.Fprintf(os.Stderr, "-machines %q: neither %s nor %s\n", *setFlag, quick, all)
		os.Exit(2)
	case os.Getenv(workEnv) == "":
		os.Exit(keep())
	}
	goleak.VerifyTestMain(tests{m}, goleak.Cleanup(func(status int) {
		table.print(os.Stdout)
		os.Exit(status)
	}))
}

// tests ends what they share, after the last of them.
type tests struct{ *testing.M }

func (m tests) Run() int {
	defer stopServing()
	return m.M.Run()
}

// keep starts this program again, in a network namespace that nobody else is in, and
// sees to it that nothing is left when it has ended, however it did: the kernel kills
// what has been started there, and folders are removed here.
func keep() int {
	work, err := os.MkdirTemp("", "hale-machines-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(work)
	defer removeCgroups(work)
	outside, err := os.Open("/proc/self/ns/net")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer outside.Close()

	// The child is killed when this thread ends, prctl(2).
	runtime.LockOSThread()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), workEnv+"="+work)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{outside}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	_ = cmd.Wait()
	if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signaled() {
		return 128 + int(s.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// workFile is a path in the folder that the experiments work in.
func workFile(name ...string) string {
	return filepath.Join(append([]string{os.Getenv(workEnv)}, name...)...)
}

// outsideFD is the descriptor of the namespace that this process was started from.
const outsideFD = 3

// outside runs f where the machine's own network is: for programs that fetch
// something. f must not start goroutines that do.
func outside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with it
		if err := unix.Setns(outsideFD, unix.CLONE_NEWNET); err != nil {
			done <- os.NewSyscallError("setns", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// run runs a program outside, and returns what it has printed on its output.
func run(t *testing.T, folder string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), env...)
	var out []byte
	err := outside(func() (err error) { out, err = cmd.Output(); return err })
	if err != nil {
		detail := ""
		if e, ok := err.(*exec.ExitError); ok {
			detail = string(e.Stderr)
		}
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, detail)
	}
	return string(out)
}
