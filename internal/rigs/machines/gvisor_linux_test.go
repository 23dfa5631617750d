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

// gvisorVersion is one whose program is in the module: not every one is.
const (
	gvisorModule  = "gvisor.dev/gvisor"
	gvisorVersion = "v0.0.0-20250205023644-9414b50a5633"
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
// (its program runsc), whose TCP is its own.
func sandboxed(t *testing.T, address string) *process {
	t.Helper()
	runsc := gvisor(t)
	needProgram(t, "nsenter", "util-linux")
	bundle := t.TempDir()
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
	options := []string{"--root", filepath.Join(bundle, "state"), "--platform", "systrap", "--network", "sandbox", "--ignore-cgroups"}
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
// be true all the same.
func TestAServerWhoseMachineIsPausedIsNoticedInsideGVisor(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	p := sandboxed(t, m.address)
	s := sleeper{t, p.said, p.ended}
	eventually(t, bootTimeout, "the client is ready, or has ended", func() bool {
		return p.ended() || strings.Contains(p.said(), " ready")
	})
	if p.ended() {
		testnet.Missing(t, fmt.Sprintf("what gVisor needs: its sandbox ended by itself, %v, and said %q", p.cmd.ProcessState, p.said()))
	}
	time.Sleep(clientPromise)
	if before := s.status(); before.Deaths+before.Failed > 0 || before.Replied == 0 {
		t.Errorf("before anything happened: %+v:\n%s", before, s.events())
	}
	paused := time.Now()
	m.pause()
	took := make(map[string]time.Duration)
	for _, kind := range []string{"idle", "busy"} {
		eventually(t, 3*clientPromise, kind+" connections are given up", func() bool { return strings.Contains(p.said(), kind+" died") })
		took[kind] = time.Since(paused)
	}
	time.Sleep(time.Until(paused.Add(3 * clientPromise)))
	m.resume()
	before := s.status()
	time.Sleep(recovery)
	after := s.status()
	table.add("hale inside gVisor, the server paused for 15 s", "Within("+clientPromise.String()+")", "at most "+seconds(clientPromise)+", and served again", fmt.Sprintf(
		"idle %s, busy %s; %d of %d requests failed; served again: %v", seconds(took["idle"]), seconds(took["busy"]), after.Failed, after.Replied+after.Failed, after.Replied > before.Replied))
	if after.Replied <= before.Replied {
		t.Errorf("not served again: %+v, then %+v:\n%s", before, after, s.events())
	}
	t.Logf("it said:\n%s", s.events())
	for kind, took := range took {
		if took > clientPromise {
			t.Errorf("%s: noticed after %v", kind, took)
		}
	}
}
