package machines

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Packages of the project, as folders, whose tests run on other kernels. Of some only
// the tests of Linux do: the others meet no kernel, and take an emulated processor
// minutes.
var (
	fewPackages  = []string{"internal/rawconn", "sockopt", "health", ".", "health/deathwatch", "pool"}
	everyPackage = []string{
		"internal/rawconn", "internal/tcpretries", "internal/awake", "internal/netconn", "internal/lab/testnet", "internal/lab/loadtest",
		"internal/lab/child", "internal/lab/twin",
		"sockopt", "health", "health/healthtest", ".", "health/heartbeat", "health/deathwatch", "pool", "pool/cluster", "pool/debugpage", "otel",
		"examples/frozenpeer", "examples/failover", "examples/cluster", "examples/pool", "examples/crowd", "examples/tracing",
	}
	linuxOnly = []string{"health/heartbeat", "health/deathwatch", "pool", "pool/debugpage", "otel"}

	// Packages whose tests meet no kernel, or want programs that a machine has not.
	anyKernel = []string{
		"internal/bubble", "internal/errno", "internal/giveway", "internal/logline", "internal/notify", "internal/pauses", "internal/lab/comparison",
		"internal/lab/mdcode", "internal/lab/program", "internal/lab/service", "internal/lab/timeline", "internal/lab/trial", "internal/lab/wait", "examples/plan",
	}
)

func TestEveryPackageMeetsOtherKernelsOrNone(t *testing.T) {
	t.Parallel()
	known := slices.Concat(everyPackage, anyKernel)
	for _, folder := range linuxOnly {
		if !slices.Contains(everyPackage, folder) {
			t.Errorf("%s is not in everyPackage", folder)
		}
	}
	var found []string
	err := filepath.WalkDir(haleFolder, func(path string, d fs.DirEntry, err error) error {
		below, _ := filepath.Rel(haleFolder, filepath.Dir(path))
		switch {
		case err != nil:
			return err
		case d.IsDir() && (below == "internal" && d.Name() == "rigs" || below == "examples" && d.Name() == "clients" || d.Name() == ".git"):
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go") && !slices.Contains(found, below):
			found = append(found, below)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(known)
	slices.Sort(found)
	if !slices.Equal(known, found) {
		t.Errorf("there are %q, and everyPackage and anyKernel have %q", found, known)
	}
}

// long are tests that take minutes there, and are left to the long set.
var long = []string{"TestVerdicts", "TestWithinIsKeptOnARealKernel"}

// cannot are the tests that a machine without a Go cannot run, or which are about the
// project's own files and not about a kernel.
var cannot = []string{
	"TestImportsPointOneWay", "TestAnotherModuleDependsAsREADMESays", "TestTheModuleCanBeRenamedAsDocumented",
	"TestEverySystemOfGoIsKnownEverywhere", "TestLinksInDocumentsLeadSomewhere",
	"TestTestsAndFunctionsThatDocumentsNameExist", "TestGoInDocumentsCompiles", "TestTheTourIsItsProgram",
	"TestCommandsInDocumentsWork", "TestTheReadmeIsShort", "TestEveryQuestionIsAnsweredOnItsPage",
	"TestTheCostsAreThoseOfThePlan",
}

// testParallel is how many tests an emulated machine of two processors can run at a
// time, and waitParallel if most of them wait for seconds.
const (
	testParallel = 8
	waitParallel = 20
)

// testTimeout bounds the tests of one package.
const testTimeout = 8 * time.Minute

var packagesFlag = flag.String("packages", "", "`folders` of the packages whose tests run on other kernels, with commas; all of the set without it")

var testsFlag = flag.String("tests", "", "which tests of those packages to run, as go test -run has it")

// chosen are the packages that the command line says, or else those of the set.
func chosen(set []string) []string {
	if *packagesFlag != "" {
		return strings.Split(*packagesFlag, ",")
	}
	return set
}

// testImage is an image with test binaries and what they need.
func testImage(t *testing.T, k kernel, packages []string) string {
	t.Helper()
	i := base(t, k)
	i.tree(t, "hale", haleFolder)
	var list strings.Builder
	for _, folder := range packages {
		name := binary(folder)
		i.file(t, "tests/"+name, testBinary(t, k.goarch(), folder), 0o755)
		line, err := json.Marshal(append([]string{name, folder}, testArguments(t, folder, "")...))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%s\n", line)
	}
	i.add("tests/list", unix.S_IFREG|0o644, []byte(list.String()))
	if k.arch == usual.arch { // those of this machine
		for _, program := range []string{"ip", "nft", "setpriv"} {
			needProgram(t, program, "iproute2, nftables, util-linux")
			i.program(t, program)
		}
	}
	path := workFile("image-tests-" + k.release + "-" + k.arch)
	writeImage(t, path, i)
	return path
}

// testBinary is the path of a package's tests, built.
func testBinary(t *testing.T, goarch, folder string) (path string) {
	t.Helper()
	return once("test", goarch+"-"+binary(folder), func(path string) {
		build(t, haleFolder, goarch, "test", "-c", "-ldflags=-s -w", "-o", path, "./"+folder)
	})
}

// testArguments are those of a package's test binary. Run is which of its tests, "" is
// all that belong there.
func testArguments(t *testing.T, folder, run string) []string {
	t.Helper()
	run, skip, parallel := cmp.Or(*testsFlag, run), cannot, testParallel
	if run == "" && slices.Contains(linuxOnly, folder) {
		run = oneOf(testsOfLinux(t, folder))
	}
	if folder == "." {
		parallel = waitParallel
	}
	if *setFlag == quick {
		skip = slices.Concat(skip, long)
	}
	return []string{
		"-test.v", "-test.parallel=" + strconv.Itoa(parallel), "-test.timeout=" + testTimeout.String(),
		"-test.run=" + run, "-test.skip=" + oneOf(skip),
	}
}

func oneOf(names []string) string { return "^(" + strings.Join(names, "|") + ")$" }

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// testsOfLinux are the tests of a package that are in files for Linux alone.
func testsOfLinux(t *testing.T, folder string) (names []string) {
	t.Helper()
	return testsIn(t, folder, func(file string) bool { return strings.HasSuffix(file, "_linux_test.go") })
}

// testsOfAll are those in files for every system.
func testsOfAll(t *testing.T, folder string) (names []string) {
	t.Helper()
	system := regexp.MustCompile(`_(linux|unix|windows|darwin|freebsd|other)_test\.go$`)
	return testsIn(t, folder, func(file string) bool { return !system.MatchString(file) })
}

func testsIn(t *testing.T, folder string, are func(file string) bool) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(haleFolder, folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !are(file) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunction.FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s has no such tests", folder)
	}
	return names
}

// binary is the name of a package's test binary.
func binary(folder string) string {
	if folder == "." {
		return "hale"
	}
	return strings.ReplaceAll(folder, "/", "_")
}

// busy is held by those machines that run tests, of which two at a time leave each
// other enough of two processors, for most tests wait most of the time.
var busy = make(chan struct{}, 2)

// runTests runs the tests of packages in a machine, and fails for each that failed
// there.
func runTests(t *testing.T, k kernel, packages []string, timeout time.Duration) {
	t.Helper()
	busy <- struct{}{}
	defer func() { <-busy }()
	m := start(t, spec{kernel: k, image: testImage(t, k, packages), role: []string{"tests"}, memory: 2048, cpus: 2})
	end := time.Now().Add(timeout)
	m.says("booted ", bootTimeout)
	release := m.release()
	for !m.process.ended() && time.Now().Before(end) {
		time.Sleep(100 * time.Millisecond)
	}
	console := m.console()
	if keep := os.Getenv("HALE_MACHINES_CONSOLES"); keep != "" {
		_ = os.WriteFile(filepath.Join(keep, k.release+"-"+k.arch), []byte(console), 0o644)
	}
	for _, folder := range packages {
		r := readTests(console, binary(folder))
		judge(t, r, "hale's tests, "+release, folder)
	}
}

func judge(t *testing.T, r testRun, experiment, folder string) {
	t.Helper()
	table.add(experiment, folder, "as here", r.String())
	t.Logf("%s: %s; skipped: %s", folder, r, strings.Join(r.skipped, ", "))
	if !r.ended || strings.Contains(r.said, "\npanic: ") || r.failure != "" && len(r.alone) == 0 || len(r.failed) > 0 || r.passed == 0 {
		t.Errorf("%s: %s; it said:\n%s", folder, r, r.complaint())
	}
}

// A testRun is what the tests of one package have said.
type testRun struct {
	ended   bool
	failure string // of the process, "" if it went well
	seconds string
	passed  int
	failed  []string
	alone   []string // failed beside others, and passed by themselves
	skipped []string
	said    string
}

func (r testRun) String() string {
	s := fmt.Sprintf("%d passed, %d failed, %d skipped", r.passed, len(r.failed), len(r.skipped))
	switch {
	case !r.ended:
		return s + ", and did not end"
	case len(r.failed) > 0:
		s += " (" + strings.Join(r.failed, ", ") + ")"
	}
	if len(r.alone) > 0 {
		s += ", passed when run again: " + strings.Join(r.alone, ", ")
	}
	return s + ", " + r.seconds + " s"
}

var testVerdict = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+)`)

// readTests finds the run of a test binary in what a machine has printed, with -test.v.
func readTests(console, name string) (r testRun) {
	console = strings.ReplaceAll(console, "\r", "")
	_, r.said, _ = strings.Cut(console, "\nbegin "+name+"\n")
	said, after, ended := strings.Cut(r.said, "\nend "+name+" ")
	if ended {
		r.ended, r.said = true, said
		line, _, _ := strings.Cut(after, "\n")
		r.seconds, r.failure, _ = strings.Cut(line, " ")
		if r.failure == "<nil>" {
			r.failure = ""
		}
	}
	r.count()
	r.byThemselves(after, name)
	return r
}

// byThemselves looks for those that failed and passed when they ran again, alone: all
// of their parts that had failed.
func (r *testRun) byThemselves(after, name string) {
	verdicts := make(map[string]bool) // of tests, by name
	for _, m := range aloneVerdict.FindAllStringSubmatch(after, -1) {
		if m[1] == name {
			test, _, _ := strings.Cut(m[2], "/")
			before, known := verdicts[test]
			verdicts[test] = m[3] == "<nil>" && (before || !known)
		}
	}
	r.failed = slices.DeleteFunc(r.failed, func(test string) bool {
		if verdicts[test] {
			r.alone = append(r.alone, test)
		}
		return verdicts[test]
	})
}

var aloneVerdict = regexp.MustCompile(`(?m)^alone (\S+) (\S+) (.*)$`)

func (r *testRun) count() {
	for _, m := range testVerdict.FindAllStringSubmatch(r.said, -1) {
		switch m[1] {
		case "PASS":
			r.passed++
		case "FAIL":
			r.failed = append(r.failed, m[2])
		case "SKIP":
			r.skipped = append(r.skipped, m[2])
		}
	}
	slices.Sort(r.failed)
	slices.Sort(r.skipped)
}

// complaint is what was said without what went well.
func (r testRun) complaint() string {
	var out strings.Builder
	for line := range strings.Lines(r.said) {
		word := strings.TrimSpace(line)
		if !strings.HasPrefix(word, "=== ") && !strings.HasPrefix(word, "--- PASS") && !strings.HasPrefix(word, "--- SKIP") {
			out.WriteString(line)
		}
	}
	text := out.String()
	if len(text) > 20000 {
		text = text[:14000] + "\n...\n" + tail(text)
	}
	return text
}

func TestOtherKernelsRunTheTests(t *testing.T) {
	need(t, quick)
	type run struct {
		kernel
		packages []string
	}
	runs := []run{
		{oldest, everyPackage}, {usual, everyPackage}, {newer, everyPackage}, {newest, everyPackage},
		// Its emulation takes several times as long.
		{arm64, []string{"sockopt", "health", "health/deathwatch", "internal/rawconn"}},
	}
	if *setFlag == quick {
		runs = []run{{oldest, fewPackages}}
	}
	for _, r := range runs {
		t.Run(r.release+"-"+r.arch, func(t *testing.T) {
			t.Parallel() // beside each other alone
			runTests(t, r.kernel, chosen(r.packages), 15*time.Minute)
		})
	}
}

func TestWhatTestsSayIsRead(t *testing.T) {
	t.Parallel()
	console := "booted\r\n\r\nbegin pool\r\n=== RUN TestA\r\n--- PASS: TestA (0.1s)\r\n    --- FAIL: TestB/one (0s)\r\n--- FAIL: TestB (1s)\r\n" +
		"--- SKIP: TestC (0s)\r\nFAIL\r\n\r\nend pool 2.0 exit status 1\r\n\r\nbegin hale\r\n--- PASS: TestD (0s)\r\n"
	r := readTests(console, "pool")
	if !r.ended || r.failure != "exit status 1" || r.passed != 1 || r.seconds != "2.0" ||
		!slices.Equal(r.failed, []string{"TestB"}) || !slices.Equal(r.skipped, []string{"TestC"}) {
		t.Errorf("%+v", r)
	}
	again := "\nbegin pool\n--- FAIL: TestB (1s)\n--- FAIL: TestA (1s)\n\nend pool 2.0 exit status 1\n" +
		"\nalone pool TestB/one <nil>\n\nalone pool TestB/two <nil>\n\nalone pool TestA/one <nil>\n\nalone pool TestA/two exit status 1\n"
	if r := readTests(again, "pool"); !slices.Equal(r.failed, []string{"TestA"}) || !slices.Equal(r.alone, []string{"TestB"}) {
		t.Errorf("%+v", r)
	}
	if r := readTests(console, "hale"); r.ended || r.passed != 1 {
		t.Errorf("%+v", r)
	}
	if r := readTests(console, "otel"); r.ended || r.passed != 0 {
		t.Errorf("%+v", r)
	}
}
