package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// An overlay is the files that the go command has to read in place of, and
// beside, those of the standard library (see -overlay in `go help build`):
//
//   - net, whose Dialer.DialContext and ListenConfig.Listen go by hale. Dial,
//     DialTimeout, Listen and all that is built on them go by those two.
//   - beneath, which has hale do it, with copies of hale and of what it needs.
//     The standard library imports nothing but itself, so they have to belong to
//     it: example.com/hale is beneath/example.com/hale there.
//   - testing, which imports beneath. So each test binary has it, of whatever
//     module, and no go.mod is changed.
type overlay struct {
	goroot  string
	folder  string            // of the files
	replace map[string]string // by the path that the go command asks for
}

//go:embed beneath
var sources embed.FS

const prefix = "beneath/" // of the import paths that are made part of the standard library

// newOverlay writes an overlay into the folder, which has to exist, and returns
// the name of the file to be given to the go command.
func newOverlay(ctx context.Context, folder string) (name string, err error) {
	packages, err := haleAndDeps(ctx)
	if err != nil {
		return "", err
	}
	o := &overlay{folder: folder, replace: map[string]string{}}
	if o.goroot, err = goEnv(ctx, "GOROOT"); err != nil {
		return "", err
	}
	for _, p := range packages {
		err = errors.Join(err, o.adopt(p))
	}
	err = errors.Join(err,
		o.embedded("beneath.go.txt", "beneath/beneath.go"),
		o.embedded("net.go.txt", "net/beneath.go"),
		o.embedded("testing.go.txt", "testing/beneath.go"),
		o.rename("net/dial.go", map[string]string{"Dialer.DialContext": "ownDialContext", "ListenConfig.Listen": "ownListen"}))
	if err != nil {
		return "", err
	}
	return o.write()
}

// listed is what go list says of a package.
type listed struct {
	Dir, ImportPath string
	Standard        bool
	GoFiles         []string
}

// haleAndDeps lists package hale and what it depends on, but for the standard
// library.
func haleAndDeps(ctx context.Context) (packages []listed, err error) {
	out, err := output(exec.CommandContext(ctx, "go", "list", "-deps", "-json=Dir,ImportPath,Standard,GoFiles", "example.com/hale"))
	if err != nil {
		return nil, err
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); err == io.EOF {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		if !p.Standard {
			packages = append(packages, p)
		}
	}
}

// adopt makes a package part of the standard library.
func (o *overlay) adopt(p listed) error {
	for _, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err == nil {
			text, err = reimport(text)
		}
		if err == nil {
			text, err = embody(text)
		}
		if err == nil {
			err = o.add(prefix+p.ImportPath+"/"+name, text)
		}
		if err != nil {
			return fmt.Errorf("%s/%s: %w", p.ImportPath, name, err)
		}
	}
	return nil
}

// embedded adds a file of the rig's own.
func (o *overlay) embedded(name, path string) error {
	text, err := sources.ReadFile("beneath/" + name)
	if err != nil {
		return err
	}
	if text, err = reimport(text); err != nil {
		return err
	}
	return o.add(path, text)
}

// reimport gives the imports from outside of the standard library their prefix.
func reimport(text []byte) ([]byte, error) {
	return edit(text, func(f *ast.File, replace replacer) {
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value) // it was parsed
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
				replace(spec.Path.Pos(), spec.Path.End(), strconv.Quote(prefix+path))
			}
		}
	})
}

// bodies are those of functions that x/sys/unix has in assembly, for which the
// assembler would need a folder that there is.
var bodies = map[string]string{
	"Syscall":           "return syscall.Syscall(trap, a1, a2, a3)",
	"Syscall6":          "return syscall.Syscall6(trap, a1, a2, a3, a4, a5, a6)",
	"RawSyscall":        "return syscall.RawSyscall(trap, a1, a2, a3)",
	"RawSyscall6":       "return syscall.RawSyscall6(trap, a1, a2, a3, a4, a5, a6)",
	"SyscallNoError":    "r1, r2, _ = Syscall(trap, a1, a2, a3); return",
	"RawSyscallNoError": "r1, r2, _ = RawSyscall(trap, a1, a2, a3); return",
}

// embody gives functions that have none a body.
func embody(text []byte) ([]byte, error) {
	return edit(text, func(f *ast.File, replace replacer) {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body != nil || pragma(fn, "//go:linkname") != nil {
				continue
			}
			if comment := pragma(fn, "//go:noescape"); comment != nil {
				replace(comment.Pos(), comment.End(), "//")
			}
			body := bodies[fn.Name.Name]
			if body == "" {
				body = `panic("has no body")`
			}
			replace(fn.End(), fn.End(), " { "+body+" }")
		}
	})
}

// pragma is the comment of a function that begins so, or nil.
func pragma(fn *ast.FuncDecl, begin string) *ast.Comment {
	if fn.Doc == nil {
		return nil
	}
	for _, c := range fn.Doc.List {
		if strings.HasPrefix(c.Text, begin) {
			return c
		}
	}
	return nil
}

// rename gives methods of the standard library, "Type.Method", other names, so
// that another file may have theirs.
func (o *overlay) rename(path string, names map[string]string) error {
	text, err := os.ReadFile(o.std(path))
	if err != nil {
		return err
	}
	left := len(names)
	text, err = edit(text, func(f *ast.File, replace replacer) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && names[method(fn)] != "" {
				replace(fn.Name.Pos(), fn.Name.End(), names[method(fn)])
				left--
			}
		}
	})
	if err == nil && left != 0 {
		err = fmt.Errorf("%s has not all of %v", path, names)
	}
	if err != nil {
		return err
	}
	return o.add(path, text)
}

// method is the name of a method, "Type.Method", or of a function.
func method(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if name, ok := t.(*ast.Ident); ok {
		return name.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

type replacer = func(from, to token.Pos, by string)

// edit replaces parts of a Go file, in the order of the file, and leaves its
// lines where they are.
func edit(text []byte, change func(f *ast.File, replace replacer)) ([]byte, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "", text, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	at := 0
	change(f, func(from, to token.Pos, by string) {
		out.Write(text[at:files.Position(from).Offset])
		out.WriteString(by)
		at = files.Position(to).Offset
	})
	out.Write(text[at:])
	return out.Bytes(), nil
}

// std is where a file of the standard library is.
func (o *overlay) std(path string) string {
	return filepath.Join(o.goroot, "src", filepath.FromSlash(path))
}

// add has the go command find the text at the path, relative to the standard
// library's sources.
func (o *overlay) add(path string, text []byte) error {
	name := filepath.Join(o.folder, filepath.FromSlash(path))
	o.replace[o.std(path)] = name
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, text, 0o644))
}

// write writes the list of files.
func (o *overlay) write() (name string, err error) {
	text, err := json.Marshal(map[string]any{"Replace": o.replace})
	if err != nil {
		return "", err
	}
	name = filepath.Join(o.folder, "overlay.json")
	return name, os.WriteFile(name, text, 0o644)
}
