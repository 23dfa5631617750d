package healthtest_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/hale/health/healthtest"
	"example.com/hale/internal/lab/testnet"
)

// roleEnv says what this test binary does instead of running tests.
const roleEnv = "HEALTHTEST_ROLE"

// parentEnv is the package's own marker.
const parentEnv = "HEALTHTEST_ISOLATED_BY"

// nobody is an unprivileged user; it need not exist.
const nobody = 65534

func playRole(role string) {
	roles := map[string]func(){
		"freeze": roleFreeze, "isolate": roleIsolate, "signal": roleSignal, "orphan": roleOrphan, "killed": roleKilled,
		"outside": roleOutside, "sockets": roleSockets,
		"full": roleFull, "forgetful": func() { roleForgetful(0) }, "ignorant": func() { roleForgetful(unix.ENOPROTOOPT) },
	}
	roles[role]()
	os.Exit(0)
}

// check ends a role that went wrong.
func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// roleFreeze freezes without isolating itself.
func roleFreeze() {
	_, server := connect()
	_, err := healthtest.Freeze(server)
	if errors.Is(err, os.ErrPermission) {
		fmt.Print("permission: ")
	}
	check(err)
}

// roleOutside serves the network outside from within, once.
func roleOutside() {
	l := must(healthtest.ListenOutside("tcp", "127.0.0.1:0"))
	other := must(healthtest.ListenOutside("tcp", "127.0.0.1:0"))
	if os.Getenv(parentEnv) == "" {
		must(healthtest.ListenOutside("tcp", "localhost:0")) // which the second process does not ask for
	}
	check(healthtest.Isolate())
	check(other.Close())
	fmt.Println("address", l.Addr())
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, "HEALTHTEST_") && !strings.HasPrefix(entry, roleEnv) {
			fmt.Println("left behind:", entry)
		}
	}
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), roleEnv+"=sockets")
	fmt.Print("a child has ", string(must(child.Output())))
	inside := must(healthtest.ListenOutside("tcp", l.Addr().String())) // is free here
	fmt.Print(os.Getenv("HEALTHTEST_OUTSIDE"))
	check(inside.Close())
	c := must(l.Accept())
	must(io.WriteString(c, "hello"))
	check(c.Close())
}

// roleSockets says how many sockets it was given.
func roleSockets() {
	n := 0
	for _, fd := range must(os.ReadDir("/proc/self/fd")) {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	fmt.Println(n, "sockets")
}

// roleIsolate freezes in a namespace of its own.
func roleIsolate() {
	check(healthtest.Isolate())
	check(healthtest.Isolate()) // nothing left to do
	fmt.Println("user", os.Getuid(), os.Geteuid(), "marker", os.Getenv(parentEnv) != "")
	devices, err := net.Interfaces()
	check(err)
	fmt.Println("devices", len(devices), devices[0].Name)
	fmt.Println("input", string(must(io.ReadAll(os.Stdin))))
	fmt.Println("arguments", os.Args[1:])
	client, server := connect()
	thaw := must(healthtest.Freeze(server))
	must(client.Write([]byte("x")))
	server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := server.Read(make([]byte, 1)); err == nil {
		check(errors.New("not frozen"))
	}
	check(thaw())
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	must(server.Read(make([]byte, 1)))
	fmt.Println("frozen and thawed")
	os.Exit(7)
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

// roleSignal waits for a signal, and tells.
func roleSignal() {
	check(healthtest.Isolate())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM)
	fmt.Println("ready")
	fmt.Println(<-signals)
	os.Exit(9)
}

// roleOrphan waits to be killed.
func roleOrphan() {
	check(healthtest.Isolate())
	fmt.Println("ready")
	select {}
}

// roleKilled ends by a signal.
func roleKilled() {
	check(healthtest.Isolate())
	check(unix.Kill(os.Getpid(), unix.SIGKILL))
	select {}
}

// roleForgetful is on a kernel that keeps no filter, and says by asked that it knows
// of none.
func roleForgetful(asked unix.Errno) {
	if err := testnet.ForgetFilters(asked); err != nil {
		fmt.Print("none to be had: ", err)
		return
	}
	_, server := connect()
	thaw, err := healthtest.Freeze(server)
	fmt.Println("no thaw", thaw == nil, "unsupported", errors.Is(err, errors.ErrUnsupported), err)
	thaw, err = healthtest.FreezeListener(listen())
	fmt.Println("no thaw", thaw == nil, "unsupported", errors.Is(err, errors.ErrUnsupported), err)
	err = healthtest.Isolate()
	fmt.Println("no thaw", true, "unsupported", errors.Is(err, errors.ErrUnsupported), err)
}

// roleFull has no file left for the question whether the kernel keeps filters.
func roleFull() {
	check(healthtest.Isolate())
	client, server := connect()
	check(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}))
	last := -1
	for {
		fd, err := unix.Dup(0)
		if err != nil {
			break
		}
		last = fd
	}
	_, err := healthtest.Freeze(server)
	fmt.Println("too many", errors.Is(err, unix.EMFILE))
	must(client.Write([]byte("x")))
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	must(server.Read(make([]byte, 1)))
	check(unix.Close(last))
	must(healthtest.Freeze(server))
	fmt.Println("frozen at last")
}

// actor is this test binary in a role, as a user without privileges. That user
// may be unable to reach the binary by its path, but the link in /proc leads
// there without walking it.
func actor(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// start starts cmd without the capabilities of this process. A user other than
// root hands those on that are ambient (Isolate's are).
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends here, changed as it is. That would
		// kill cmd, too, so the thread stays until cmd has ended.
		runtime.LockOSThread()
		err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
		if err == nil {
			err = cmd.Start()
		}
		done <- err
		<-done
	}()
	if err := <-done; err != nil {
		close(done)
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		close(done)
	})
}

// play runs an actor to its end.
func play(t *testing.T, cmd *exec.Cmd) (output string, status int) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start(t, cmd)
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// needNamespaces skips where Isolate has nothing to do, or where an
// unprivileged user may not have a user namespace.
func needNamespaces(t *testing.T) {
	t.Helper()
	needGuard(t)
	out, status := play(t, actor(t, "isolate"))
	if status != 7 && strings.Contains(out, "no user and network namespace") {
		testnet.Missing(t, "user namespaces for unprivileged users: "+out)
	}
}

// needGuard skips where Isolate has nothing to do.
func needGuard(t *testing.T) {
	t.Helper()
	if _, status := play(t, actor(t, "freeze")); status == 0 {
		t.Skip("this kernel lets anybody attach a socket filter to TCP")
	}
}

func TestFreezeWithoutPermissionSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	out, status := play(t, actor(t, "freeze"))
	if status == 0 {
		t.Skip("this kernel lets anybody attach a socket filter to TCP")
	}
	for _, want := range []string{"permission: ", "CAP_NET_ADMIN", "Isolate", "*net.TCPConn"} {
		if !strings.Contains(out, want) {
			t.Errorf("output %q lacks %q", out, want)
		}
	}
}

// There the filter is taken, and nothing is frozen by it.
func TestAKernelThatForgetsFiltersCannotFreezeAndSaysSo(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"forgetful", "ignorant"} {
		out, status := play(t, actor(t, role))
		if strings.HasPrefix(out, "none to be had: ") {
			testnet.Missing(t, "a filter of system calls: "+out)
		}
		if want := "no thaw true unsupported true healthtest: "; status != 0 || strings.Count(out, want) != 3 ||
			strings.Count(out, "does not keep it") != 3 {
			t.Errorf("a %s kernel: status %d: %s", role, status, out)
		}
	}
}

func TestAFreezeThatFailsHasFrozenNobodyAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	if out, status := play(t, actor(t, "full")); status != 0 || out != "too many true\nfrozen at last\n" {
		t.Errorf("status %d: %s", status, out)
	}
}

func TestIsolateLetsAnUnprivilegedUserFreeze(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	cmd := actor(t, "isolate", "-some", "argument")
	cmd.Stdin = strings.NewReader("typed")
	out, status := play(t, cmd)
	if status != 7 {
		t.Fatalf("status %d, want 7: %s", status, out)
	}
	user := os.Geteuid()
	if user == 0 {
		user = nobody
	}
	for _, want := range []string{
		fmt.Sprintf("user %d %d marker false\n", user, user),
		"devices 1 lo\n", "input typed\n", "arguments [-some argument]\n", "frozen and thawed\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q: %s", want, out)
		}
	}
}

func TestAListenerFromOutsideIsServedFromWithin(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	cmd := actor(t, "outside")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	in, said := bufio.NewReader(out), ""
	for {
		line, err := in.ReadString('\n')
		said += line
		if err != nil {
			break
		}
		if address, ok := strings.CutPrefix(line, "address "); ok {
			c, err := net.Dial("tcp", strings.TrimSpace(address))
			if err != nil {
				t.Error(err)
				_ = cmd.Process.Kill()
				continue
			}
			if text, err := io.ReadAll(c); string(text) != "hello" {
				t.Errorf("it said %q, %v", text, err)
			}
			c.Close()
		}
	}
	if err := cmd.Wait(); err != nil || strings.Contains(said, "left behind") || !strings.Contains(said, "a child has 0 sockets\n") {
		t.Errorf("%v: %s", err, said)
	}
}

func TestWhereThereIsNothingToIsolateAListenerFromOutsideIsOneLikeAny(t *testing.T) {
	if err := healthtest.Isolate(); err != nil {
		t.Skip(err)
	}
	l, err := healthtest.ListenOutside("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := healthtest.Isolate(); err != nil || os.Getenv("HEALTHTEST_OUTSIDE") != "" {
		t.Errorf("%v, and there is left %q", err, os.Getenv("HEALTHTEST_OUTSIDE"))
	}
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := healthtest.ListenOutside("tcp", l.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("twice: %v", err)
	}
}

func TestInheritedMarkerIsIgnored(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	for _, marker := range []string{"1", "", "nonsense"} {
		cmd := actor(t, "isolate")
		cmd.Env = append(cmd.Env, parentEnv+"="+marker)
		if out, status := play(t, cmd); status != 7 {
			t.Errorf("marker %q: status %d, want 7: %s", marker, status, out)
		}
	}
}

func TestForgedMarkerEndsInAnErrorNotInALoop(t *testing.T) {
	t.Parallel()
	cmd := actor(t, "isolate")
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", parentEnv, os.Getpid()))
	if out, status := play(t, cmd); status != 1 || !strings.Contains(out, "isolate: ") {
		t.Errorf("status %d, want 1 and the error: %s", status, out)
	}
}

func TestIsolateReturnsInTheFirstProcessWhereNamespacesAreForbidden(t *testing.T) {
	t.Parallel()
	needGuard(t)
	cmd := actor(t, "isolate")
	// A user who does not exist in his own user namespace cannot make
	// another (EPERM, user_namespaces(7)).
	cmd.SysProcAttr.Credential = nil
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
	out, status := play(t, cmd)
	if status != 1 || !strings.Contains(out, "isolate: no user and network namespace") {
		t.Errorf("status %d, want 1 and the reason: %s", status, out)
	}
}

func TestIsolateExitsLikeItsChildThatASignalKilled(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	if out, status := play(t, actor(t, "killed")); status != 128+int(unix.SIGKILL) {
		t.Errorf("status %d, want %d: %s", status, 128+int(unix.SIGKILL), out)
	}
}

// ready starts cmd, waits for its first line, and returns the rest of its
// output, which ends when every process that has it has ended.
func ready(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	out := bufio.NewReader(pipe)
	if line, err := out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v; want ready", line, err)
	}
	return out
}

func TestIsolatePassesSignalsOn(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	cmd := actor(t, "signal")
	out := ready(t, cmd)
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out)
	cmd.Wait()
	if got := string(rest); err != nil || got != "terminated\n" || cmd.ProcessState.ExitCode() != 9 {
		t.Errorf("%q, %v, status %d; want terminated, 9", got, err, cmd.ProcessState.ExitCode())
	}
}

func TestIsolatedProcessDiesWithTheFirst(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	cmd := actor(t, "orphan")
	out := ready(t, cmd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v; want the end", rest, err)
	}
}
