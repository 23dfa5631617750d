package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A testPackage is a package that has tests.
type testPackage struct {
	path string
	dir  string
	from string   // the folder in which the go command knows it
	env  []string // that its tests need
}

// A variant is what lies beneath a test binary.
type variant string

const (
	plain    variant = "plain"
	withHale variant = "hale"
)

// A binary is the compiled tests of a package.
type binary struct {
	path  string
	count string // the file that tells of hale's connections; "" if hale is not beneath
}

// packages fetches a suite and lists its packages that have tests.
func (r *rig) packages(ctx context.Context, s suite) (packages []testPackage, err error) {
	from := r.folder // of no module
	if s.module != "" {
		from = filepath.Join(r.folder, "module", s.name)
		if err := fetch(ctx, s.module+"@"+s.version, from); err != nil {
			return nil, err
		}
	}
	args := append([]string{"list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Dir}}{{end}}"}, s.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = from
	out, err := output(cmd)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		packages = append(packages, testPackage{path: path, dir: dir, from: from})
	}
	return packages, nil
}

// fetch copies a module, which the module cache has read-only and tests write
// to, into the folder.
func fetch(ctx context.Context, module, folder string) error {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = os.TempDir() // of no module
	out, err := output(cmd)
	var got struct{ Dir, Error string }
	if jerr := json.Unmarshal(out, &got); jerr == nil && got.Error != "" {
		return fmt.Errorf("%s: %s", module, got.Error)
	}
	if err != nil {
		return err
	}
	return os.CopyFS(folder, os.DirFS(got.Dir))
}

// compile makes the test binary of a package.
func (r *rig) compile(ctx context.Context, p testPackage, v variant) (binary, error) {
	b := binary{path: filepath.Join(r.folder, strings.ReplaceAll(p.path, "/", ".")+"."+string(v))}
	args := []string{"test", "-c", "-vet=off", "-o", b.path}
	if v == withHale {
		args = append(args, "-overlay", r.overlay)
		b.count = b.path + ".count"
	}
	cmd := exec.CommandContext(ctx, "go", append(args, p.path)...)
	cmd.Dir = p.from
	_, err := output(cmd)
	return b, err
}

// output runs a command; the error has what it said.
func output(cmd *exec.Cmd) ([]byte, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, said.Bytes())
	}
	return out, err
}

func goEnv(ctx context.Context, name string) (string, error) {
	out, err := output(exec.CommandContext(ctx, "go", "env", name))
	return string(bytes.TrimSpace(out)), err
}
