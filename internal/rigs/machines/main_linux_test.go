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
// in namespaces of its own, and the one before it clears up.
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
	if err := settle(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
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

// keep starts this program again, in namespaces that nobody else is in: of networks,
// mounts and processes. So nothing is left when it has ended, however it did: the
// kernel kills the processes of such a namespace with its first, pid_namespaces(7), and
// folders and cgroups are removed here.
func keep() int {
	work, err := os.MkdirTemp("", "hale-machines-")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(work)
	outside, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return complain(err)
	}
	defer outside.Close()
	ended, alive, err := os.Pipe()
	if err != nil {
		return complain(err)
	}
	defer ended.Close()

	// The child is killed when this thread ends, prctl(2).
	runtime.LockOSThread()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), workEnv+"="+work, "TMPDIR="+work)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{outside, alive}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = cmd.Start()
	alive.Close()
	if err != nil {
		return complain(err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	// It closes its files before the kernel waits for the others to end, which those
	// do not that a cgroup has frozen.
	_, _ = ended.Read(make([]byte, 1))
	removeCgroups(work)
	_ = cmd.Wait()
	if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signaled() {
		return 128 + int(s.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// What the process that runs the tests was given by keep.
const (
	outsideFD = 3 // the network namespace that it was started from
	aliveFD   = 4 // is closed when it has ended
)

// settle makes the process that keep has started at home in its namespaces.
func settle() error {
	unix.CloseOnExec(outsideFD)
	unix.CloseOnExec(aliveFD)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	return os.NewSyscallError("mount", unix.Mount("proc", "/proc", "proc", 0, ""))
}

// workFile is a path in the folder that the experiments work in.
func workFile(name ...string) string {
	return filepath.Join(append([]string{os.Getenv(workEnv)}, name...)...)
}

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
