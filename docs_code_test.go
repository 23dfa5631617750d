//go:build !race && !hale_sweep

package hale_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/mdcode"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// What README and the documents show is Go that compiles. Blocks that need other
// modules are checked by a test of examples/clients.
func TestGoInDocumentsCompiles(t *testing.T) {
	t.Parallel()
	c := mdcode.Checker{Dir: ".", Packages: mdcode.Packages}
	own, clients, err := c.Go(documentCode(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d blocks, and %d that need other modules", len(own), len(clients))
	if len(own) < 10 || len(clients) < 10 {
		t.Error("fewer blocks than there were")
	}
	if err := c.Check(own); errors.Is(err, mdcode.ErrAbsent) {
		testnet.Missing(t, err.Error())
	} else if err != nil {
		t.Error(err)
	}
}

// The program of the tour is one that a test runs.
func TestTheTourIsItsProgram(t *testing.T) {
	t.Parallel()
	for _, b := range documentCode(t) {
		if b.File == filepath.Join("docs", "tour.md") && b.Language == "go" {
			if b.Text != read(t, "examples/clients/tour/main.go") {
				t.Error("docs/tour.md and examples/clients/tour/main.go differ")
			}
			return
		}
	}
	t.Error("the tour has no program")
}

func documentCode(t *testing.T) []mdcode.Block {
	t.Helper()
	blocks, err := mdcode.Documents(".")
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// commands says of every command that a document shows how it is seen to work, by its
// first words, the longest of them that fit. What is not run is looked at: whether the
// packages are there, and the flags, tests and targets that it names.
var commands = map[string]struct {
	check  func(t *testing.T, dir string, words []string)
	reason string // why it is not run here
}{
	"go run ./examples/plan": {check: runsHere},
	"go run . ":              {reason: "the tour's program, which a test of examples/clients runs"},
	"go run":                 {check: namesAProgram, reason: "it takes long, or needs rights; its own test runs it"},
	"go test":                {check: namesTests, reason: "tests run by themselves"},
	"go mod":                 {reason: "TestAnotherModuleDependsAsREADMESays runs README's; go mod tidy of a new module needs a network"},
	"git grep":               {reason: "TestTheModuleCanBeRenamedAsDocumented runs it"},
	"gofmt":                  {reason: "as git grep"},
	"curl":                   {reason: "the live page's tests, which ask for the same forms"},
	"mkdir tour":             {reason: "the tour's; examples/clients has it"},
	"cd ..":                  {reason: "the tour's"},
	"PATH=":                  {reason: "the tour's"},
	"initdb":                 {reason: "the tour's; it refuses to run as root, as tests may"},
	"pg_ctl":                 {reason: "the tour's; as initdb"},
}

func TestCommandsInDocumentsWork(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, b := range documentCode(t) {
		switch b.Language {
		case "sh":
			parsesAsShell(t, b)
			for i, line := range strings.Split(strings.TrimSpace(b.Text), "\n") {
				checkCommand(t, fmt.Sprintf("%s:%d", b.File, b.Line+i), line, seen)
			}
		case "":
			if hidden := regexp.MustCompile(`(?m)^(?:go|cd|make|git|sh|bash) .*`).FindString(b.Text); hidden != "" {
				t.Errorf("%s:%d: %q is in a block that is not sh", b.File, b.Line, hidden)
			}
		}
	}
	for prefix := range commands {
		if !seen[prefix] {
			t.Errorf("no document has a command %q", prefix)
		}
	}
}

// parsesAsShell has a shell read a block, and do nothing of it.
func parsesAsShell(t *testing.T, b mdcode.Block) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		testnet.Missing(t, "the program sh")
	}
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(b.Text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s:%d: %v: %s", b.File, b.Line, err, out)
	}
}

func checkCommand(t *testing.T, at, line string, seen map[string]bool) {
	line, _, _ = strings.Cut(line, " #")
	dir := "."
	if into, rest, ok := strings.Cut(line, " && "); ok && strings.HasPrefix(into, "cd ") && into != "cd .." {
		dir, line = strings.TrimPrefix(into, "cd "), rest
	}
	line = strings.TrimSpace(line)
	best := ""
	for prefix := range commands {
		if strings.HasPrefix(line, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	if best == "" {
		t.Errorf("%s: nobody sees whether %q works", at, line)
		return
	}
	seen[best] = true
	if check := commands[best].check; check != nil {
		t.Run(at, func(t *testing.T) { check(t, dir, strings.Fields(strings.ReplaceAll(line, "'", ""))) })
	} else if commands[best].reason == "" {
		t.Errorf("%q is not checked, for no reason", best)
	}
}

// runsHere runs a command that takes a moment.
func runsHere(t *testing.T, dir string, words []string) {
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || len(out) == 0 {
		t.Errorf("%q: %v: %s", words, err, out)
	}
}

// namesAProgram looks for the program of a "go run", and for the flags that it is given.
func namesAProgram(t *testing.T, dir string, words []string) {
	folder := filepath.Join(dir, words[2])
	source := ""
	for _, name := range goFiles(t, folder) {
		source += read(t, name)
	}
	if !strings.Contains(source, "\npackage main\n") {
		t.Errorf("%s is no program", folder)
	}
	for _, w := range words[3:] {
		if name, isFlag := strings.CutPrefix(w, "-"); isFlag && !strings.Contains(source, `"`+name+`"`) {
			t.Errorf("%s has no flag %s", folder, w)
		}
	}
}

// namesTests looks for the package of a "go test", for the tests that it chooses, and for
// the flags of the tests' own, which come last.
func namesTests(t *testing.T, dir string, words []string) {
	var flags []string
	for last := words[len(words)-1]; strings.HasPrefix(last, "-"); last = words[len(words)-1] {
		words, flags = words[:len(words)-1], append(flags, strings.TrimPrefix(last, "-"))
	}
	folder := filepath.Join(dir, strings.TrimSuffix(words[len(words)-1], "/..."))
	for _, flag := range flags {
		if !slices.ContainsFunc(goFiles(t, folder), func(name string) bool { return strings.Contains(read(t, name), `"`+flag+`"`) }) {
			t.Errorf("the tests of %s have no flag -%s", folder, flag)
		}
	}
	funcs := map[string]bool{}
	for _, name := range goFiles(t, folder) {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasSuffix(name, "_test.go") {
				funcs[fn.Name.Name] = true
			}
		}
	}
	if len(funcs) == 0 {
		t.Errorf("%s has no tests", folder)
	}
	for i, w := range words {
		if w != "-run" && w != "-bench" || words[i+1] == "^$" {
			continue
		}
		for alternative := range strings.SplitSeq(words[i+1], "|") {
			if !anyMatches(funcs, regexp.MustCompile(alternative)) {
				t.Errorf("%s has nothing that matches %s", folder, alternative)
			}
		}
	}
}

func anyMatches(names map[string]bool, re *regexp.Regexp) bool {
	for name := range names {
		if re.MatchString(name) {
			return true
		}
	}
	return false
}

func goFiles(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s has no Go: %v", folder, err)
	}
	return names
}

// What is on the first page is what most people read.
func TestTheReadmeIsShort(t *testing.T) {
	t.Parallel()
	if n := strings.Count(read(t, "README.md"), "\n"); n >= 250 {
		t.Errorf("README.md has %d lines: move something to docs", n)
	}
}

// A user looks for the words of a question, and finds the page that answers it: the words
// are in the section that the index names.
func TestEveryQuestionIsAnsweredOnItsPage(t *testing.T) {
	t.Parallel()
	index := read(t, "docs/README.md")
	for words, others := range map[string][]string{
		"default production": {"production ready"},
		"which systems":      {"supported platforms"},
		"pods rolling":       {"rolling update", "kubernetes", "k8s"},
		"slog":               {"logging"},
		"live state":         {"status page"},
		"warm-up":            {"warm up", "warmup"},
		"two hosts":          {"multiple hosts"},
		"shutdown":           {"graceful shutdown"},
		"stable":             {"semantic versioning", "semver"},
		"upgrade":            nil,
		"how fast":           {"performance", "overhead"},
		"when not":           nil,
	} {
		answered := 0
		for row := range strings.Lines(index) {
			if m := link.FindStringSubmatch(row); m != nil && containsAll(row, words) && strings.Contains(m[1], "#") {
				answered++
				section := sectionOf(t, m[1])
				if !containsAll(section, words) {
					t.Errorf("%q is not found in %s, which answers it:\n%.300s", words, m[1], section)
				}
				for _, other := range others { // word for word, as they are typed
					for what, text := range map[string]string{"the index": row, m[1]: strings.Join(strings.Fields(section), " ")} {
						if !strings.Contains(strings.ToLower(text), other) {
							t.Errorf("%q is not found in %s", other, what)
						}
					}
				}
			}
		}
		if answered != 1 {
			t.Errorf("%d rows of docs/README.md answer %q", answered, words)
		}
	}
}

// containsAll reports whether a text has each of the words, in any form that begins as it
// does.
func containsAll(text, words string) bool {
	text = strings.ToLower(text)
	for word := range strings.FieldsSeq(words) {
		if !strings.Contains(text, strings.TrimSuffix(word, "ing")) {
			return false
		}
	}
	return true
}

// sectionOf returns the heading that a link of docs leads to, and what is below it.
func sectionOf(t *testing.T, target string) string {
	t.Helper()
	file, anchor, _ := strings.Cut(target, "#")
	text := read(t, filepath.Join("docs", file))
	at := heading.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		slug := strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(text[m[2]:m[3]]), ""), " ", "-")
		if slug != anchor {
			continue
		}
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		return text[m[0]:end]
	}
	t.Errorf("%s has no heading %q", file, anchor)
	return ""
}

// The table of what an idle connection costs is worked out from the plan.
func TestTheCostsAreThoseOfThePlan(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/cost.md")
	const packet = 52 // IPv4 and TCP, with timestamps (RFC 791, RFC 9293, RFC 7323)
	for _, d := range []time.Duration{3 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 10 * time.Minute} {
		plan, err := sockopt.Platform{GOOS: "linux"}.Plan(sockopt.Within(d))
		if err != nil {
			t.Fatal(err)
		}
		idle := plan.Effective.Idle
		packets := 2 * time.Hour.Seconds() / idle.Seconds()
		name := strings.TrimSuffix(strings.Replace(d.String(), "m0s", "m", 1), "0s")
		if d < 10*time.Minute {
			name = fmt.Sprintf("%.0fs", d.Seconds())
		}
		row := fmt.Sprintf("| `Within(%s)` | %.0f s | %s | %.0f kB | %.0f MB |", name, idle.Seconds(),
			thousands(packets), packets*packet/1e3, packets*packet*720/1e6)
		if !strings.Contains(text, row) {
			t.Errorf("docs/cost.md has no row\n%s", row)
		}
	}
}

func thousands(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	if len(s) > 3 {
		s = s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return s
}
