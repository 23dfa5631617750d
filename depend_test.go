//go:build !race && !hale_sweep

// It is the same with any build of this package: once is enough.

package hale_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.com/hale/internal/lab/testnet"
)

// What the documents tell others to do to use this module is done here in a fresh
// folder, with the commands as they have them and nothing from the network.

func TestAnotherModuleDependsAsREADMESays(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	copyTree(t, filepath.Join(home, "hale"))
	app := filepath.Join(home, "app")
	if err := os.Mkdir(app, 0o755); err != nil {
		t.Fatal(err)
	}
	program := block(t, "README.md", "go", "package main")
	if err := os.WriteFile(filepath.Join(app, "main.go"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, app, "go mod init app")
	run(t, app, block(t, "README.md", "sh", "go mod edit -require="))
	run(t, app, "go vet . && go build .")
}

func TestTheModuleCanBeRenamedAsDocumented(t *testing.T) {
	t.Parallel()
	tree := filepath.Join(t.TempDir(), "tree")
	copyTree(t, tree)
	old, fresh := strings.TrimSpace(run(t, tree, "go list -m")), "your.host/hale"
	recipe := block(t, "docs/stability.md", "sh", "git grep")
	if !strings.Contains(recipe, fresh) {
		t.Fatalf("the recipe is not for %s:\n%s", fresh, recipe)
	}
	run(t, tree, "git init -q && git add -A")
	run(t, tree, recipe)

	if left := run(t, tree, "git grep -nF "+old+" || true"); left != "" {
		t.Errorf("%s is still there:\n%s", old, left)
	}
	if text := read(t, filepath.Join(tree, "docs", "stability.md")); !strings.Contains(text, recipe) {
		t.Error("the recipe has rewritten itself")
	}
	if bad := run(t, tree, "gofmt -l ."); bad != "" {
		t.Errorf("not formatted: %s", bad)
	}
	run(t, tree, "go vet ./... && go build ./... && go test -run '^TestImportsPointOneWay$' .")
	// The other modules have many dependencies: that their imports are all
	// found is enough.
	for _, dir := range []string{"examples/clients", "internal/rigs"} {
		t.Run(dir, func(t *testing.T) {
			run(t, filepath.Join(tree, dir), "go list -deps -test ./... >/dev/null")
		})
	}
}

// block returns the code block of a document in a language that has a text in it.
func block(t *testing.T, file, language, with string) string {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(read(t, file), -1) {
		if m[1] == language && strings.Contains(m[2], with) {
			return m[2]
		}
	}
	t.Fatalf("%s has no block of %s with %q", file, language, with)
	return ""
}

// copyTree copies the files that belong to the module: those that git tracks,
// or all of them where there is no git.
func copyTree(t *testing.T, to string) {
	t.Helper()
	for _, name := range files(t) {
		target := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// files lists them. Those that are deleted, but not yet in git, are left out.
func files(t *testing.T) (names []string) {
	t.Helper()
	if out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output(); err == nil {
		for name := range strings.SplitSeq(string(out), "\x00") {
			if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
				names = append(names, name)
			}
		}
		return names
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if err == nil && d.Type().IsRegular() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// read returns a text with newlines alone, as git may not have it on Windows.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// run has a shell run commands in a folder, without a network, and returns
// what they print.
func run(t *testing.T, dir, commands string) string {
	t.Helper()
	for _, program := range []string{"sh", "git", "perl"} {
		if _, err := exec.LookPath(program); err != nil {
			testnet.Missing(t, "the program "+program)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", commands)
	cmd.Dir = dir
	// Other tests, which measure times, are to have a processor left.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOFLAGS=-mod=mod -p=1", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && strings.Contains(string(out), "GOPROXY=off"):
		testnet.Missing(t, "modules in its cache:\n"+string(out))
	case err != nil:
		t.Fatalf("%s\n%s%v", commands, out, err)
	}
	return string(out)
}
