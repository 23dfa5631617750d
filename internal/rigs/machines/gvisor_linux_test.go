package machines

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// gvisorVersion is one whose program is in the module, which not every one is, and which
// knows the Go that builds it: it reads the number of a goroutine out of the runtime, at
// an offset, and ends itself where that has moved.
const (
	gvisorModule  = "gvisor.dev/gvisor"
	gvisorVersion = "v0.0.0-20260905035102-160fafc42237"
)

// gvisor returns gVisor's program, which is built from its Go module, once, into the
// user's cache. (Debian's takes every network namespace of a newer kernel for the
// first, and refuses it.)
func gvisor(t *testing.T) (path string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(cache, "hale", "machines", "runsc-"+gvisorVersion)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{"GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0"}
	var module struct{ Dir string }
	printed := run(t, t.TempDir(), env, "go", "mod", "download", "-json", gvisorModule+"@"+gvisorVersion)
	if err := json.Unmarshal([]byte(printed), &module); err != nil {
		t.Fatal(err)
	}
	// In its own folder it is the main module, whose checksums hold.
	built := workFile("runsc")
	run(t, module.Dir, env, "go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", built, "./runsc")
	if err := copyFile(path, built); err != nil {
		t.Fatal(err)
	}
	return path
}

// copyFile makes a program that is whole, or not there.
func copyFile(to, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to+".new", content, 0o755); err != nil {
		return err
	}
	return os.Rename(to+".new", to)
}

// sandboxed starts the guest, as a client of the server at address, inside gVisor
// (its program runsc). Its TCP is its own if network is "sandbox", and this kernel's if
// that is "host".
func sandboxed(t *testing.T, address, network string) *process {
	t.Helper()
	runsc := gvisor(t)
	needProgram(t, "nsenter", "util-linux")
	// What it mounts there goes with our namespaces, and the folder after them.
	bundle := workFile(fmt.Sprintf("gvisor-%d", machines.Add(1)))
	content, err := os.ReadFile(guest(t, usual.goarch()))
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{
		"ociVersion": "1.0.0",
		"root":       map[string]any{"path": "root"},
		"process": map[string]any{
			"cwd": "/", "user": map[string]int{"uid": 0, "gid": 0},
			"args": []string{"/guest", "client", address, clientPromise.String()},
		},
		"mounts": []any{map[string]string{"destination": "/proc", "type": "proc", "source": "proc"}},
		"linux": map[string]any{"namespaces": []any{
			map[string]string{"type": "pid"}, map[string]string{"type": "mount"},
			// The sandbox takes the addresses that are there for its own.
			map[string]string{"type": "network", "path": fmt.Sprintf("/proc/%d/ns/net", namespace(t))},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"config.json": config, "root/guest": content, "root/proc/none": nil} {
		path := filepath.Join(bundle, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := []string{"--root", filepath.Join(bundle, "state"), "--platform", "systrap", "--network", network, "--ignore-cgroups"}
	command := func(args ...string) *exec.Cmd { return exec.Command(runsc, slices.Concat(options, args)...) }
	const name = "client"
	t.Cleanup(func() { // its processes are not ours
		if out, err := command("delete", "-force", name).CombinedOutput(); err != nil {
			t.Logf("runsc delete: %v: %s", err, out)
		}
	})
	return startProcess(t, command("run", "-bundle", bundle, name))
}

// namespace makes a network namespace that is at the bridge, for as long as the test,
// and returns the process that keeps it.
func namespace(t *testing.T) (pid int) {
	t.Helper()
	network(t)
	cmd := exec.Command("sleep", "infinity")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	p := startProcess(t, cmd)
	pid = p.cmd.Process.Pid
	number := machines.Add(1)
	device := fmt.Sprintf("g%d", number)
	ip(t, fmt.Sprintf("link add %s type veth peer name eth0 netns %d", device, pid))
	ip(t, "link set "+device+" master bridge up")
	for _, args := range []string{
		fmt.Sprintf("addr add 10.9.0.%d/24 dev eth0", 10+number), "link set eth0 up", "link set lo up",
	} {
		out, err := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(pid), "-n", "ip"}, strings.Fields(args)...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	return pid
}

// gVisor has a TCP of its own, which says less than Linux'. What it says itself has to
// be true all the same; what it does not tell is reported, and left to its own limits: to
// keepalive, and to a user timeout, which ends a peer that lives and does not read, too.
func TestAServerWhoseMachineIsPausedIsNoticedInsideGVisor(t *testing.T) {
	need(t, all)
	for _, test := range []struct {
		network string
		watched bool
	}{{"sandbox", false}, {"host", true}} {
		t.Run(test.network, func(t *testing.T) {
			m := start(t, spec{kernel: usual, role: []string{"serve"}})
			m.serves()
			p := sandboxed(t, m.address, test.network)
			t.Parallel()
			x := &inSandbox{sleeper{t, p.said, p.ended}, m, p, "gVisor, --network=" + test.network, test.watched}
			x.report()
			x.pause()
		})
	}
}

// inSandbox is a client inside gVisor, whose server's machine is paused.
type inSandbox struct {
	sleeper
	m          *machine
	p          *process
	experiment string
	watched    bool // or the promise is left to the kernel
}

// report waits until the client has been at work, and sees what hale says of itself.
func (x *inSandbox) report() {
	x.t.Helper()
	eventually(x.t, bootTimeout, "the client is ready, or has ended", func() bool {
		return x.ended() || strings.Contains(x.printed(), " ready")
	})
	if x.ended() {
		testnet.Missing(x.t, fmt.Sprintf("what gVisor needs: its sandbox ended by itself, %v, and said %q", x.p.cmd.ProcessState, tail(x.printed())))
	}
	time.Sleep(clientPromise)
	status, unwatched, stalled := x.status(), x.said("idle: hale: not watched: "), x.said("stalled died: ")
	left := "watched, as on Linux"
	if !x.watched {
		left = "the kernel's limits alone"
	}
	table.add(x.experiment, "Conn.Unwatched", left, unwatched)
	table.add(x.experiment, "a peer that lives and does not read", left, stalled)
	if x.watched != (unwatched == nothing) || x.watched != (stalled == nothing) || status.Replied == 0 || status.Failed > 0 ||
		status.Deaths > 0 && x.watched || status.Deaths > 1 {
		x.t.Errorf("before anything happened: %+v, not watched: %s, stalled: %s:\n%s", status, unwatched, stalled, x.events())
	}
}

// pause pauses the server for three times as long as is promised.
func (x *inSandbox) pause() {
	x.t.Helper()
	const most = 3 * clientPromise
	kinds := []string{"idle died: ", "request: ", "busy died: "}
	took := make(map[string]time.Duration)
	paused := time.Now()
	x.m.pause()
	for time.Since(paused) < most {
		for _, kind := range kinds {
			if took[kind] == 0 && x.said(kind) != nothing {
				took[kind] = time.Since(paused)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	x.m.resume()
	before := x.status()
	time.Sleep(recovery)
	after := x.status()
	for _, kind := range kinds {
		name, measured := strings.TrimSuffix(strings.TrimSuffix(kind, ": "), " died"), "not in "+seconds(most)
		if took[kind] > 0 {
			measured = seconds(took[kind]) + ", " + x.said(kind)
		}
		predicted := "at most " + seconds(clientPromise)
		// One that writes on keeps gVisor from looking at its user timeout.
		late := kind == "busy died: " && !x.watched
		if late {
			predicted = "late"
		}
		table.add(x.experiment, "the server paused for 15 s, Within(5 s): "+name, predicted, measured)
		if !late && (took[kind] == 0 || took[kind] > clientPromise) {
			x.t.Errorf("%s: noticed after %v:\n%s", name, took[kind], x.events())
		}
	}
	table.add(x.experiment, "afterwards", "served again", fmt.Sprintf("%d of %d requests failed, %d served since",
		after.Failed, after.Replied+after.Failed, after.Replied-before.Replied))
	if after.Replied <= before.Replied {
		x.t.Errorf("not served again: %+v, then %+v:\n%s", before, after, x.events())
	}
}

// nothing is what a client has not said.
const nothing = "nothing"

// said is the rest of the first line that has a beginning, or nothing.
func (s sleeper) said(beginning string) string {
	_, after, found := strings.Cut(s.printed(), " "+beginning)
	if !found {
		return nothing
	}
	line, _, _ := strings.Cut(after, "\n")
	line, _, _ = strings.Cut(line, ", silence ") // and numbers
	return line
}
