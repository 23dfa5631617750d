package machines

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/machines/server"
)

// A spec is what a machine is made of.
type spec struct {
	kernel  kernel
	image   string   // its file; empty is the plain one
	role    []string // what the guest is in it, and its arguments
	memory  int      // MiB; 0 is 256
	cpus    int      // 0 is 1
	options []string // of qemu, besides
	address string   // empty is one that nobody else has
}

// A machine is a virtual machine, as seen from outside. It ends with its test.
type machine struct {
	t       *testing.T
	name    string
	address string // its own
	log     string // the file of its console
	monitor *monitor
	process *process
}

// hostAddress is ours, on the bridge that all machines are at.
const hostAddress = "10.9.0.1"

var machines atomic.Int32

// bootTimeout is for a machine to boot without a processor's help, on a host that is
// busy. It takes 2 to 7 s on one that is not.
const bootTimeout = 90 * time.Second

// start starts a machine.
func start(t *testing.T, s spec) *machine {
	t.Helper()
	emulator := emulators[s.kernel.arch]
	needProgram(t, emulator.name, emulator.packageName)
	network(t)
	number := machines.Add(1)
	m := &machine{t: t, name: fmt.Sprintf("m%d", number), address: s.address}
	if m.address == "" {
		m.address = fmt.Sprintf("10.9.0.%d", 10+number)
	}
	if s.image == "" {
		s.image = plainImage(t, s.kernel)
	}
	m.log = workFile(m.name + ".console")
	ip(t, "tuntap add "+m.name+" mode tap")
	ip(t, "link set "+m.name+" master bridge up")
	t.Cleanup(func() { ip(t, "link del "+m.name) })
	m.run(exec.Command(emulator.name, slices.Concat(emulator.options(t), m.arguments(t, s, emulator), s.options)...))
	return m
}

func (m *machine) arguments(t *testing.T, s spec, e emulator) []string {
	last := m.address[strings.LastIndex(m.address, ".")+1:]
	host, err := strconv.Atoi(last)
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"-m", strconv.Itoa(max(s.memory, 256)), "-smp", strconv.Itoa(max(s.cpus, 1)),
		"-nodefaults", "-no-user-config", "-display", "none",
		"-kernel", s.kernel.path(t), "-initrd", s.image,
		// What comes after -- is for the first process.
		"-append", "console=" + e.console + " quiet loglevel=1 panic=-1 mitigations=off -- " +
			m.address + "/24 " + strings.Join(s.role, " "),
		"-serial", "file:" + m.log,
		"-qmp", "unix:" + m.socket() + ",server=on,wait=off",
		"-netdev", "tap,id=net,ifname=" + m.name + ",script=no,downscript=no",
		"-device", fmt.Sprintf("virtio-net-pci,netdev=net,mac=52:54:00:00:09:%02x,romfile=", host),
	}
}

func (m *machine) socket() string { return workFile(m.name + ".qmp") }

// run starts qemu and connects to its monitor.
func (m *machine) run(cmd *exec.Cmd) {
	m.t.Helper()
	m.process = startProcess(m.t, cmd)
	var err error
	eventually(m.t, 10*time.Second, "qemu listens", func() bool {
		m.monitor, err = newMonitor(m.socket())
		return err == nil || m.process.ended()
	})
	if err != nil {
		m.t.Fatalf("%v; qemu says:\n%s", err, m.process.said())
	}
	m.t.Cleanup(func() { m.monitor.conn.Close() })
}

// do has qemu do something to the machine.
func (m *machine) do(command string, arguments map[string]any) string {
	m.t.Helper()
	answer, err := m.monitor.do(command, arguments)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(answer)
}

// pause stops the machine: the whole of it, as a host does that has no time for it.
func (m *machine) pause()  { m.t.Helper(); m.do("stop", nil) }
func (m *machine) resume() { m.t.Helper(); m.do("cont", nil) }

// off switches the machine off, as by its plug.
func (m *machine) off() {
	// There may be no answer.
	_, _ = m.monitor.do("quit", nil)
}

// snapshots are the options of a machine whose snapshots can be taken.
func snapshots(t *testing.T, name string) (options []string) {
	t.Helper()
	needProgram(t, "qemu-img", "qemu-utils")
	disk := workFile("snapshots-" + name + ".qcow2")
	run(t, "/", nil, "qemu-img", "create", "-q", "-f", "qcow2", disk, "1G")
	return []string{"-drive", "if=none,id=disk,format=qcow2,file=" + disk}
}

// human has qemu do what its other monitor knows.
func (m *machine) human(line string) {
	m.t.Helper()
	if out := m.do("human-monitor-command", map[string]any{"command-line": line}); out != `""` {
		m.t.Errorf("%s: %s", line, out)
	}
}

// mover starts a qemu that waits for the machine, and returns what moves it there.
func (m *machine) mover() (move func()) {
	m.t.Helper()
	socket := "unix:" + workFile(m.name+".migration")
	target := start(m.t, spec{kernel: usual, role: []string{"serve"}, address: m.address, options: []string{"-incoming", socket}})
	return func() {
		m.t.Helper()
		m.do("migrate", map[string]any{"uri": socket})
		eventually(m.t, 60*time.Second, "the machine has moved", target.running)
		if m.running() {
			m.t.Error("the machine runs where it came from")
		}
	}
}

// console is all that the machine has printed.
func (m *machine) console() string {
	text, err := os.ReadFile(m.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Error(err)
	}
	return string(text)
}

// says waits until the machine has printed something.
func (m *machine) says(what string, timeout time.Duration) {
	m.t.Helper()
	end := time.Now().Add(timeout)
	for !strings.Contains(m.console(), what) {
		if m.process.ended() || time.Now().After(end) {
			m.t.Fatalf("the machine did not say %q in %v; it said:\n%s\nand qemu:\n%s", what, timeout, tail(m.console()), m.process.said())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// serves waits until the server in the machine answers, and says how the machine is.
func (m *machine) serves() {
	m.t.Helper()
	m.says("serving", bootTimeout)
	eventually(m.t, 10*time.Second, "the machine answers", func() bool {
		c, err := net.DialTimeout("tcp", m.port(server.Greeter), time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (m *machine) port(port int) string { return net.JoinHostPort(m.address, strconv.Itoa(port)) }

// release is the kernel that the machine says it has.
func (m *machine) release() string {
	_, after, _ := strings.Cut(m.console(), "booted ")
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}

// tail is the end of a long text.
func tail(text string) string { return text[max(0, len(text)-6000):] }

// An emulator is qemu for one architecture.
type emulator struct {
	name, packageName string
	console           string
	machine           []string
}

var emulators = map[string]emulator{
	"amd64": {"qemu-system-x86_64", "qemu-system-x86", "ttyS0", nil},
	"arm64": {"qemu-system-aarch64", "qemu-system-arm", "ttyAMA0", []string{"-M", "virt", "-cpu", "cortex-a72"}},
}

// options have the machine use this one's processor, if that works.
func (e emulator) options(t *testing.T) []string {
	if e.name == "qemu-system-x86_64" && kvmWorks(t) {
		return append(e.machine, "-accel", "kvm", "-cpu", "host")
	}
	return append(e.machine, "-accel", "tcg")
}

// kvm says whether it works, once that was tried.
var kvm struct {
	sync.Mutex
	tried, works bool
}

// kvmWorks boots a machine with it: the device may be there, and not be able to.
func kvmWorks(t *testing.T) bool {
	t.Helper()
	kvm.Lock()
	defer kvm.Unlock()
	if kvm.tried {
		return kvm.works
	}
	kvm.tried = true
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	// The guest complains that it has no network card, and switches off.
	p := startProcess(t, exec.Command("qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		"-kernel", usual.path(t), "-initrd", plainImage(t, usual),
		"-append", "console=ttyS0 quiet loglevel=1 panic=-1 -- "+hostAddress+"/24 serve"))
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
	}
	kvm.works = strings.Contains(p.said(), "guest: not ready")
	t.Logf("KVM works: %v", kvm.works)
	return kvm.works
}

var networkUp struct {
	sync.Mutex
	done bool
}

// network makes the bridge that all machines are at.
func network(t *testing.T) {
	t.Helper()
	networkUp.Lock()
	defer networkUp.Unlock()
	if networkUp.done {
		return
	}
	if f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err != nil {
		testnet.Missing(t, "/dev/net/tun: "+err.Error())
	} else {
		f.Close()
	}
	ip(t, "link set lo up")
	// An address of its own: else it has the lowest of its ports', and another one when
	// that machine is gone, which nobody tells those that stay.
	ip(t, "link add name bridge address 52:54:00:00:09:01 type bridge")
	ip(t, "addr add "+hostAddress+"/24 dev bridge")
	ip(t, "link set bridge up")
	networkUp.done = true
}

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

var processes atomic.Int32

// A process is a program beside us. It ends with its test, and with this process.
type process struct {
	cmd  *exec.Cmd
	out  string // the file of what it says
	done chan struct{}
}

func startProcess(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	name := workFile(fmt.Sprintf("out-%d", processes.Add(1)))
	out, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := &process{cmd: cmd, out: out.Name(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	go func() {
		// It is killed when the thread ends that has started it, prctl(2).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // killed, as likely as not
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.done
	})
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) said() string {
	text, err := os.ReadFile(p.out)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// eventually waits for something that has to come.
func eventually(t *testing.T, timeout time.Duration, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(timeout); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", timeout, what)
		}
	}
}

// running reports whether the machine runs in this qemu.
func (m *machine) running() bool {
	m.t.Helper()
	return strings.Contains(m.do("query-status", nil), `"running": true`)
}
