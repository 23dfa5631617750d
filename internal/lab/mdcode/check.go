package mdcode

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// always is what every block may take for granted.
var always = []string{"ctx context.Context", "address string", "err error"}

// A Checker type-checks blocks of Go.
type Checker struct {
	// Dir is a folder of the module that has the packages.
	Dir string
	// Packages are those that a block may use without an import, by name.
	Packages map[string]string
}

// Check type-checks the blocks, each as a package of its own: a whole file as it is,
// declarations, or statements as the body of a func that returns an error. Their
// imports are read from what the go command has built: it is called once, whatever
// their number. A variable that nothing uses is no fault.
func (c Checker) Check(blocks []Block) error {
	var errs []error
	fset := token.NewFileSet()
	files := make([]*ast.File, len(blocks))
	needs := map[string]bool{}
	for i, b := range blocks {
		f, err := c.parse(fset, b)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, path := range imports(f) {
			needs[path] = true
		}
		files[i] = f
		errs = append(errs, formatted(b))
	}
	lookup, err := c.exported(needs)
	if err != nil {
		return err
	}
	config := types.Config{
		Importer: importer.ForCompiler(fset, "gc", lookup),
		Sizes:    types.SizesFor("gc", runtime.GOARCH),
		Error: func(err error) {
			if te := (types.Error{}); !errors.As(err, &te) || !te.Soft {
				errs = append(errs, err)
			}
		},
	}
	for _, f := range files {
		if f != nil {
			_, _ = config.Check("document", fset, []*ast.File{f}, nil)
		}
	}
	return errors.Join(errs...)
}

// Imports returns what a block needs.
func (c Checker) Imports(b Block) ([]string, error) {
	f, err := c.parse(token.NewFileSet(), b)
	if err != nil {
		return nil, err
	}
	return imports(f), nil
}

// parse makes a file of a block.
func (c Checker) parse(fset *token.FileSet, b Block) (*ast.File, error) {
	if strings.HasPrefix(b.Text, "package ") {
		return parser.ParseFile(fset, "", line(b)+b.Text, 0)
	}
	text, err := c.wrapped(b, false)
	if err != nil {
		text, err = c.wrapped(b, true)
	}
	if err != nil {
		return nil, err
	}
	return parser.ParseFile(fset, "", text, 0)
}

// wrapped is the text of a file with the block in it, as statements or as declarations,
// and the imports that it turns out to need.
func (c Checker) wrapped(b Block, statements bool) (string, error) {
	body := c.around(b, statements)
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p;"+body, 0)
	if err != nil {
		return "", err
	}
	var head strings.Builder
	head.WriteString("package p;")
	for _, name := range slices.Compact(slices.Sorted(used(f))) {
		if path, ok := c.Packages[name]; ok {
			fmt.Fprintf(&head, "import %s %q;", name, path)
		}
	}
	return head.String() + body, nil
}

// used yields the names that a file does not declare.
func used(f *ast.File) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, id := range f.Unresolved {
			if !yield(id.Name) {
				return
			}
		}
	}
}

// around puts what is given before the block.
func (c Checker) around(b Block, statements bool) string {
	var top, variables []string
	for _, g := range slices.Concat(always, b.Given) {
		switch {
		case strings.HasPrefix(g, "type ") || strings.HasPrefix(g, "func "):
			top = append(top, g+";")
		case statements:
			variables = append(variables, g)
		default:
			top = append(top, "var "+g+";")
		}
	}
	before := strings.Join(top, "")
	if !statements {
		return before + line(b) + b.Text
	}
	return before + "func _(" + strings.Join(variables, ", ") + ") error {{" + line(b) + b.Text + "}\nreturn nil}\n"
}

// line has errors tell where the block stands in its document.
func line(b Block) string { return "\n//line " + b.File + ":" + strconv.Itoa(b.Line) + "\n" }

func imports(f *ast.File) (paths []string) {
	for _, s := range f.Imports {
		if path, err := strconv.Unquote(s.Path.Value); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// formatted is an error if gofmt would change the block.
func formatted(b Block) error {
	text, err := format.Source([]byte(b.Text))
	if err != nil {
		return fmt.Errorf("%s:%d: %w", b.File, b.Line, err)
	}
	if !bytes.Equal(bytes.TrimSpace(text), bytes.TrimSpace([]byte(b.Text))) {
		return fmt.Errorf("%s:%d: gofmt would have it as\n%s", b.File, b.Line, text)
	}
	return nil
}

// ErrAbsent is an error of Check that says that the go command has no such module here.
var ErrAbsent = errors.New("mdcode: a module is not in the cache")

// exported has the go command build what is imported, and returns how an importer finds
// it.
func (c Checker) exported(needs map[string]bool) (func(string) (io.ReadCloser, error), error) {
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "--"}
	for path := range needs {
		args = append(args, path)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "GOMAXPROCS=1")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		if bytes.Contains(exit.Stderr, []byte("GOPROXY=off")) {
			return nil, fmt.Errorf("%w: %s", ErrAbsent, exit.Stderr)
		}
		return nil, fmt.Errorf("go list: %w: %s", err, exit.Stderr)
	}
	if err != nil {
		return nil, err
	}
	where := map[string]string{}
	for l := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(l), " ")
		where[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(where[path]) }, nil
}
