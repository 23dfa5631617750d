package main

import (
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"example.com/hale/internal/lab/program/programtest"
	"example.com/hale/sockopt"
)

func output(t *testing.T, args ...string) string {
	t.Helper()
	var out strings.Builder
	if err := run(args, &out); err != nil {
		t.Fatalf("plan %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

func TestThePlanOfEachWindowsShowsItsPathCallsAndWindow(t *testing.T) {
	for _, test := range []struct {
		build string
		lines []string
	}{
		{"14393", []string{
			"platform    windows 10.0.14393",
			"path        ioctl\n",
			"asked       idle 1s, interval 3s, count 2, user timeout 7s",
			"  WSAIoctl(SIO_KEEPALIVE_VALS 0x98000004, {1, 1000 ms, 600 ms})",
			"window      6s to 7s after an idle peer has vanished: 1s idle, then 10 probes, one each 600ms",
			"  count: windows 10.0.14393 has no option for it, its count is fixed at 10: Interval 3s * Count 2 is kept as 600ms * 10",
		}},
		{"15063", []string{
			"path        options+ioctl\n",
			"  WSAIoctl(SIO_KEEPALIVE_VALS 0x98000004, {1, 1000 ms, 3000 ms})",
			"  setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 16, 2)",
			"window      6s to 7s after an idle peer has vanished: 1s idle, then 2 probes, one each 3s",
		}},
		{"16299", []string{
			"path        options\n",
			"  setsockopt(SOL_SOCKET 0xffff, SO_KEEPALIVE 8, 1)",
			"  setsockopt(IPPROTO_TCP 6, TCP_KEEPIDLE 3, 1 s)",
			"  setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 17, 3 s)",
			"  setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 16, 2)",
			"  setsockopt(IPPROTO_TCP 6, TCP_MAXRT 5, 7 s)",
		}},
	} {
		out := output(t, "-goos", "windows", "-build", test.build, "-idle", "1s", "-interval", "3s", "-count", "2")
		for _, line := range test.lines {
			if !strings.Contains(out, line) {
				t.Errorf("build %s: no line %q in\n%s", test.build, line, out)
			}
		}
	}
}

func TestWithoutGOOSTheKernelOfThisMachineIsReadBack(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the expectation is that of linux")
	}
	out := output(t, "-idle", "11s", "-interval", "-1", "-count", "5")
	for _, line := range []string{
		"  TCP_KEEPIDLE (idle): asked 11 s, got 11 s: set",
		"  TCP_KEEPCNT (count): asked 5, got 5: set",
		"held        idle 11s, interval ",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
}

func TestJSONHasNullForWhatTheSystemDecides(t *testing.T) {
	var d document
	if err := json.Unmarshal([]byte(output(t, "-goos", "openbsd", "-json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.Effective.Idle != nil || d.Window.Latest != nil || len(d.Unsupported) != 4 {
		t.Errorf("openbsd: effective idle %v, latest %v, %d unsupported", d.Effective.Idle, d.Window.Latest, len(d.Unsupported))
	}
	if err := json.Unmarshal([]byte(output(t, "-within", "10s", "-goos", "linux", "-json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.Window.Latest == nil || *d.Window.Latest != 9.75 || len(d.Operations) != 5 || d.Operations[4].Unit != "ms" {
		t.Errorf("linux: %+v", d)
	}
}

func TestAStallTimeoutAndAPaceGoBesideAnythingElse(t *testing.T) {
	out := output(t, "-goos", "linux", "-within", "10s", "-stall-timeout", "1m", "-pace", "3s")
	for _, line := range []string{
		"asked       within 10s: idle 4s, interval 1s, count 3, user timeout 7s, stall timeout 60s, pace 3s",
		"window      5.75s to 9.75s after an idle peer has vanished, by the watch of a hale.Conn; by the kernel alone 1m0s",
		"  setsockopt(IPPROTO_TCP 6, TCP_USER_TIMEOUT 18, 60000 ms)",
		"  setsockopt(IPPROTO_TCP 6, TCP_RTO_MAX_MS 44, 3000 ms)",
		"  user_timeout: no option of its own, because",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
}

func TestAPathAndAGapAreShown(t *testing.T) {
	args := []string{"-goos", "linux", "-within", "1m", "-path-idle-timeout", "20s", "-tolerate-gap", "30s"}
	for _, line := range []string{
		"asked       within 60s: idle 16s, interval 1s, count 36, user timeout 52s, pace 5.4s, path idle timeout 20s, tolerates a gap of 30s",
		"  setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 6, 47)",
	} {
		if out := output(t, args...); !strings.Contains(out, line) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
	var d document
	if err := json.Unmarshal([]byte(output(t, append(args, "-json")...)), &d); err != nil {
		t.Fatal(err)
	}
	if d.Asked.PathIdle == nil || *d.Asked.PathIdle != 20 || d.Asked.Gap == nil || *d.Asked.Gap != 30 || d.Effective.PathIdle != nil || d.Effective.Gap != nil {
		t.Errorf("%+v, %+v", d.Asked, d.Effective)
	}
	if out := output(t, "-goos", "openbsd", "-path-idle-timeout", "350s"); !strings.Contains(out, "path_idle_timeout: not kept") {
		t.Error(out)
	}
}

func TestVersionsOfOtherSystemsSelectTheirPlan(t *testing.T) {
	for _, test := range [][3]string{
		{"linux", "6.15", "TCP_RTO_MAX_MS 44, 2500 ms"},
		{"linux", "6.14", "pace: linux before 6.15 has no bound"},
		{"dragonfly", "5.6", "TCP_KEEPIDLE 0x100, 13000 ms"},
		{"dragonfly", "5.8", "TCP_KEEPIDLE 0x100, 13 s"},
		{"solaris", "11.3", "TCP_KEEPALIVE_THRESHOLD 22, 13000 ms"},
		{"solaris", "11.4", "TCP_KEEPIDLE 29, 13 s"},
		{"windows", "10.0.14393", "path        ioctl"},
		{"plan9", "", "path        none"},
	} {
		if out := output(t, "-goos", test[0], "-build", test[1]); !strings.Contains(out, test[2]) {
			t.Errorf("%s %s: no %q in\n%s", test[0], test[1], test[2], out)
		}
	}
}

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	programtest.BadUsage(t, plan,
		[2]string{"-idle 40000s -goos linux", "Idle 40000s: above 32767s"},
		[2]string{"-within 1s", "Within(1s): below 2s"},
		[2]string{"-within 0s", "Within(0s): below 2s"},
		[2]string{"-within 5s -count 3", "leave out -idle"},
		[2]string{"-idle soon", `invalid value "soon" for flag -idle`},
		[2]string{"-goos beos", `-goos "beos": not one of`},
		[2]string{"-goos windows -build new", `-build "10.0.new"`},
		[2]string{"-goos windows -build 1.2.3.4", `-build "1.2.3.4"`},
		[2]string{"-nonsense", "flag provided but not defined"},
		[2]string{"extra", `unexpected argument "extra"`})
}

func TestHelpExplainsFlagsAndExitStatuses(t *testing.T) {
	t.Parallel()
	programtest.Help(t, plan, "-goos", "-build", "-idle", "-interval", "-count", "-user-timeout", "-stall-timeout", "-pace", "-within", "-json")
}

// plan is the whole program: some values only a plan finds bad.
func plan(args []string, out io.Writer) (none struct{}, err error) { return none, run(args, out) }

func TestARangeErrorIsPassedOn(t *testing.T) {
	var out strings.Builder
	err := run([]string{"-goos", "illumos", "-interval", "61s"}, &out)
	if re, ok := errors.AsType[*sockopt.RangeError](err); !ok || re.Field != "Interval" {
		t.Errorf("got %v", err)
	}
}
