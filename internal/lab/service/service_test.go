package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// shell is a service that runs a script; home is where it did.
func shell(script string, home *Home, ready func() error) Service {
	return Service{
		Program: Program{"sh", "dash"},
		Args:    func(h Home, _, _ string) []string { *home = h; return []string{"-c", script} },
		Ready:   func(context.Context, string) error { return ready() },
	}
}

func always() error { return nil }
func never() error  { return errors.New("not yet") }

// needSignals ends the test where programs cannot be told to end.
func needSignals(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		testnet.Missing(t, "Linux")
	}
}

func TestAProgramThatIsAbsentIsNamedWithItsPackage(t *testing.T) {
	t.Parallel()
	s := Service{Program: Program{Name: "no-such-server", Package: "no-such-package"}}
	_, err := s.Start(t.Context())
	if !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "no-such-server") || !strings.Contains(err.Error(), "no-such-package") {
		t.Error(err)
	}
}

func TestAProgramThatEndsIsQuoted(t *testing.T) {
	t.Parallel()
	needSignals(t)
	var home Home
	_, err := shell("echo no room >&2; exit 3", &home, never).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no room") || !strings.Contains(err.Error(), "exit status 3") {
		t.Error(err)
	}
	gone(t, home)
}

func TestAProgramThatIsNeverReadyIsEnded(t *testing.T) {
	t.Parallel()
	needSignals(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var home Home
	_, err := shell("echo $$ > pid; echo loading; exec sleep 600", &home, never).Start(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "loading") || !strings.Contains(err.Error(), "not yet") {
		t.Error(err)
	}
	gone(t, home)
}

func TestPreparationThatFailsIsQuoted(t *testing.T) {
	t.Parallel()
	needSignals(t)
	var home Home
	s := shell("exec sleep 600", &home, always)
	s.Prepare = func(ctx context.Context, h Home) error {
		home = h
		return h.Run(ctx, Program{"sh", "dash"}, "-c", "echo no permission; exit 4")
	}
	_, err := s.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no permission") || !strings.Contains(err.Error(), "exit status 4") {
		t.Error(err)
	}
	gone(t, home)
}

func TestAProgramRunsInItsFolderAndNotAsRoot(t *testing.T) {
	t.Parallel()
	needSignals(t)
	var home Home
	user := func() (string, error) {
		b, err := os.ReadFile(home.Path("user"))
		if err == nil && len(b) == 0 {
			err = fs.ErrNotExist // not written yet
		}
		return strings.TrimSpace(string(b)), err
	}
	s, err := shell("id -u > user; exec sleep 600", &home, func() error { _, err := user(); return err }).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := os.Geteuid()
	if want == 0 {
		want = 65534
	}
	if got, err := user(); err != nil || got != strconv.Itoa(want) {
		t.Errorf("ran as %s, want %d: %v", got, want, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error("the second time:", err)
	}
	gone(t, home)
	ended(t, s.pid)
}

func TestAProgramThatDoesNotHeedTheSignalIsKilled(t *testing.T) {
	t.Parallel()
	needSignals(t)
	var home Home
	ready := func() error { _, err := os.Stat(home.Path("ready")); return err }
	s, err := shell("trap '' TERM; > ready; while :; do sleep 1; done", &home, ready).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < grace || took > 2*grace {
		t.Errorf("ended after %v, want %v or little more", took, grace)
	}
	gone(t, home)
	ended(t, s.pid)
}

func TestAProgramThatEndedByItselfIsAnError(t *testing.T) {
	t.Parallel()
	needSignals(t)
	var home Home
	s, err := shell("until [ -e full ]; do sleep 0.02; done; echo disk full; exit 5", &home, always).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := home.WriteFile("full", nil); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); alive(s.pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it runs on")
		}
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "exit status 5") {
		t.Error(err)
	}
	gone(t, home)
}

func TestNoTwoServersGetTheSameAddress(t *testing.T) {
	t.Parallel()
	const servers = 250 // of the 28,232 ports that Linux gives out by itself, at random
	seen := make(map[string]bool, servers)
	for range servers {
		address, err := freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if seen[address] {
			t.Fatal(address, "twice")
		}
		seen[address] = true
	}
}

// pidFile is in the environment of the process that TestNothingSurvives kills.
const pidFile = "LAB_TEST_PID_FILE"

func TestNothingSurvivesAProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	needSignals(t)
	file := t.TempDir() + "/pid"
	starter := exec.Command(os.Args[0], "-test.run=^TestIsKilled$")
	starter.Env = append(os.Environ(), pidFile+"="+file)
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for end := time.Now().Add(20 * time.Second); pid == 0; time.Sleep(5 * time.Millisecond) {
		if b, err := os.ReadFile(file); err == nil {
			_, _ = fmt.Sscanln(string(b), &pid)
		}
		if time.Now().After(end) {
			t.Error("no program was started")
			break
		}
	}
	running := pid != 0 && alive(pid)
	starter.Process.Kill()
	starter.Wait()
	if !running {
		t.Fatal("the program was not running")
	}
	ended(t, pid)
}

// TestIsKilled is the other half of the test before, in a process of its own.
func TestIsKilled(t *testing.T) {
	file := os.Getenv(pidFile)
	if file == "" {
		return
	}
	var home Home
	s, err := shell("exec sleep 600", &home, always).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	os.RemoveAll(home.Folder) // nobody will
	if err := os.WriteFile(file, fmt.Appendln(nil, s.pid), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute) // until it is killed
	t.Error("was not killed")
}

// gone fails the test if a folder is left.
func gone(t *testing.T, h Home) {
	t.Helper()
	if _, err := os.Stat(h.Folder); h.Folder == "" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder %q is left: %v", h.Folder, err)
	}
}

// ended waits until a process has ended, and fails the test if it does not.
func ended(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("process %d is left", pid)
			return
		}
	}
}

// alive is false of a process that has ended, waited for or not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
