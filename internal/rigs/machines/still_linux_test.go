package machines

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/machines/client"
	"example.com/hale/internal/rigs/machines/server"
)

// clientPromise is short, so that a standstill is much longer.
const clientPromise = 5 * time.Second

var serving sync.Mutex // held by who starts the server

var served *server.Server

// serveHere starts the server of all clients, in this process. It lives on while they
// stand still, and ends no connection.
func serveHere(t *testing.T) {
	t.Helper()
	network(t)
	serving.Lock()
	defer serving.Unlock()
	if served != nil {
		return
	}
	var err error
	if served, err = server.Serve(hostAddress); err != nil {
		t.Fatal(err)
	}
}

// stopServing ends it, when all tests have ended.
func stopServing() {
	serving.Lock()
	defer serving.Unlock()
	if served != nil {
		_ = served.Close()
	}
}

// A sleeper is a client that stands still, in a machine or as a process.
type sleeper struct {
	t       *testing.T
	printed func() string
	ended   func() bool
}

// inMachine starts a machine with a client in it.
func inMachine(t *testing.T, event ...string) (*machine, sleeper) {
	t.Helper()
	serveHere(t)
	m := start(t, spec{kernel: usual, role: append([]string{"client", hostAddress, clientPromise.String()}, event...)})
	m.says(" ready", bootTimeout)
	return m, sleeper{t, m.console, m.process.ended}
}

// asProcess starts a process with a client in it.
func asProcess(t *testing.T) (*process, sleeper) {
	t.Helper()
	serveHere(t)
	p := startProcess(t, exec.Command(guest(t, usual.goarch()), "client", hostAddress, clientPromise.String()))
	s := sleeper{t, p.said, p.ended}
	eventually(t, 20*time.Second, "the client is ready", func() bool { return strings.Contains(p.said(), " ready") })
	return p, s
}

func (s sleeper) status() client.Status {
	s.t.Helper()
	status, ok := client.ParseStatus(s.printed())
	if !ok {
		s.t.Fatalf("it has no status; it said:\n%s", tail(s.printed()))
	}
	return status
}

// The time that connections need to be heard of again, and suspects to recover.
const recovery = 8 * time.Second

// awake waits until the client has been well for a while after a standstill, and
// fails the test if it took any peer for dead, or a request for failed. asleep is how
// long it stood still, in its own monotonic time; 0 is not known.
func (s sleeper) awake(experiment, what string, asleep time.Duration) {
	s.t.Helper()
	before := s.status()
	time.Sleep(recovery)
	after := s.status()
	table.add(experiment, what, "no death, no failure", fmt.Sprintf("%d deaths, %d of %d requests failed, %d suspects, %d recovered",
		after.Deaths, after.Failed, after.Replied+after.Failed, after.Suspects, after.Recovered))
	s.t.Logf("%s: %+v", what, after)
	switch {
	case s.ended():
		s.t.Errorf("%s: it has ended", what)
	case after.Replied <= before.Replied:
		s.t.Errorf("%s: it does no more work: %+v, then %+v", what, before, after)
	case after.LongestGap < asleep.Seconds():
		s.t.Errorf("%s: it did not stand still for %v: %+v", what, asleep, after)
	}
	if after.Deaths+after.Failed+after.Ended+after.Outages > 0 || after.Suspects != after.Recovered {
		s.t.Errorf("%s: %+v; it said:\n%s", what, after, s.events())
	}
}

// events are what the client has said, without its Status.
func (s sleeper) events() string {
	var out strings.Builder
	for line := range strings.Lines(s.printed()) {
		if !strings.Contains(line, " status ") {
			out.WriteString(line)
		}
	}
	return tail(out.String())
}

const standstill = 20 * time.Second

func TestAClientWhoseMachineIsPausedTakesNobodyForDead(t *testing.T) {
	need(t, quick)
	m, s := inMachine(t)
	t.Parallel()
	time.Sleep(calm)
	m.pause()
	time.Sleep(standstill)
	m.resume()
	s.awake("hale in the machine", "paused for "+standstill.String(), 0)
}

func TestAClientWhoseMachineIsPausedForLongTakesNobodyForDead(t *testing.T) {
	need(t, all)
	m, s := inMachine(t)
	t.Parallel()
	time.Sleep(calm)
	m.pause()
	const long = 90 * time.Second
	time.Sleep(long)
	m.resume()
	s.awake("hale in the machine", "paused for "+long.String(), 0)
}

func TestAClientWhoseMachineSleepsTakesNobodyForDead(t *testing.T) {
	need(t, all)
	m, s := inMachine(t, "suspend")
	t.Parallel()
	eventually(t, 30*time.Second, "the machine sleeps", func() bool {
		return strings.Contains(m.do("query-status", nil), `"suspended"`)
	})
	time.Sleep(standstill)
	m.do("system_wakeup", nil)
	m.says("event is over", bootTimeout)
	s.awake("hale in the machine", "suspended (S3) for "+standstill.String(), 0)
}

func TestAClientWhoseClockIsSetTakesNobodyForDead(t *testing.T) {
	need(t, all)
	m, s := inMachine(t, "clock")
	t.Parallel()
	m.says("event begins", bootTimeout)
	time.Sleep(2 * time.Second)
	m.pause()
	time.Sleep(standstill)
	m.resume()
	m.says("event is over", bootTimeout)
	s.awake("hale in the machine", "its clock set by hours, and paused for "+standstill.String(), 0)
	if wall := s.status().LongestByWall; wall < time.Hour.Seconds() {
		t.Errorf("the clock was set by %v s only", wall)
	}
}

func TestAClientWhoseProcessorIsTakenTakesNobodyForDead(t *testing.T) {
	need(t, all)
	m, s := inMachine(t, "hog")
	t.Parallel()
	m.says("event is over", bootTimeout)
	s.awake("hale in the machine", "its processor taken for 3 s, five times", 2*time.Second)
}

// A container that has spent its share of the processor gets none for a while.
func TestAClientWhoseShareIsSpentTakesNobodyForDead(t *testing.T) {
	need(t, all)
	m, s := inMachine(t, "quota")
	t.Parallel()
	m.says("event is over", bootTimeout)
	s.awake("hale in the machine", "a thousandth of its processor (cgroup quota) for 3 s, five times", 500*time.Millisecond)
}

func TestAProcessThatIsStoppedTakesNobodyForDead(t *testing.T) {
	need(t, quick)
	p, s := asProcess(t)
	t.Parallel()
	time.Sleep(calm)
	p.signal(t, syscall.SIGSTOP)
	time.Sleep(standstill)
	p.signal(t, syscall.SIGCONT)
	s.awake("hale in the process", "stopped (SIGSTOP) for "+standstill.String(), standstill-time.Second)
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func TestAProcessThatIsFrozenTakesNobodyForDead(t *testing.T) {
	need(t, quick)
	p, s := asProcess(t)
	f := newFreezer(t, "frozen", p)
	t.Parallel()
	time.Sleep(calm)
	f.freeze(t, true)
	time.Sleep(standstill)
	f.freeze(t, false)
	s.awake("hale in the process", "frozen (cgroup) for "+standstill.String(), standstill-time.Second)
}

func TestAProcessThatIsFrozenAgainAndAgainTakesNobodyForDead(t *testing.T) {
	need(t, all)
	p, s := asProcess(t)
	f := newFreezer(t, "again", p)
	t.Parallel()
	for range 8 {
		time.Sleep(2 * time.Second)
		f.freeze(t, true)
		time.Sleep(3 * time.Second)
		f.freeze(t, false)
	}
	s.awake("hale in the process", "frozen (cgroup) for 3 s, eight times", 2*time.Second)
}

// A freezer is a cgroup of ours: of version 2, or the freezer of version 1.
type freezer struct{ file, frozen, thawed string }

// The folders in which cgroups can be made that freeze, and how.
var freezers = []struct {
	sign, folder string
	freezer
}{
	{"/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup", freezer{"cgroup.freeze", "1", "0"}},
	{"/sys/fs/cgroup/freezer/cgroup.procs", "/sys/fs/cgroup/freezer", freezer{"freezer.state", "FROZEN", "THAWED"}},
}

// newFreezer puts a process into a cgroup.
func newFreezer(t *testing.T, name string, p *process) freezer {
	t.Helper()
	for _, f := range freezers {
		if _, err := os.Stat(f.sign); err != nil {
			continue
		}
		folder := filepath.Join(f.folder, filepath.Base(os.Getenv(workEnv))+"-"+name)
		if err := os.Mkdir(folder, 0o755); err != nil {
			testnet.Missing(t, "the right to freeze by a cgroup: "+err.Error())
		}
		t.Cleanup(func() {
			_ = p.cmd.Process.Kill()
			removeCgroup(folder, f.freezer)
		})
		if err := os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(p.cmd.Process.Pid)), 0); err != nil {
			testnet.Missing(t, "the right to freeze by a cgroup: "+err.Error())
		}
		return freezer{filepath.Join(folder, f.file), f.frozen, f.thawed}
	}
	testnet.Missing(t, "a cgroup that freezes")
	return freezer{}
}

func (f freezer) freeze(t *testing.T, frozen bool) {
	t.Helper()
	state := f.thawed
	if frozen {
		state = f.frozen
	}
	if err := os.WriteFile(f.file, []byte(state), 0); err != nil {
		t.Fatal(err)
	}
}

// removeCgroup thaws a cgroup, and removes it when what was killed in it has gone.
func removeCgroup(folder string, f freezer) {
	_ = os.WriteFile(filepath.Join(folder, f.file), []byte(f.thawed), 0)
	for range 100 {
		if err := os.Remove(folder); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeCgroups removes those that are left of a process that was killed.
func removeCgroups(work string) {
	for _, f := range freezers {
		left, _ := filepath.Glob(filepath.Join(f.folder, filepath.Base(work)+"-*"))
		for _, folder := range left {
			removeCgroup(folder, f.freezer)
		}
	}
}
