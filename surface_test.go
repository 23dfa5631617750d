//go:build !race && !hale_sweep

package hale

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// namesMost is how many names each package may export at top level, without the
// Info structs that its Observer hands out. A name more needs a reason, and a
// higher number here.
var namesMost = map[string]int{
	"":                  10,
	"sockopt":           27, // five are how long the boxes of clouds remember a flow
	"health":            27,
	"health/deathwatch": 9,
	"health/heartbeat":  2,
	"health/healthtest": 4, // one for a program that shows a page of what it freezes
	"pool":              32,
	"pool/debugpage":    5,
	"pool/cluster":      25,
	"otel":              14,
}

func TestNoPackageExportsMoreThanItHasReasonsFor(t *testing.T) {
	t.Parallel()
	for _, dir := range packages() {
		s := surfaceOf(t, dir)
		t.Logf("%-18s %2d names, %d Info structs, %d methods, %d fields", dir, len(s.names), len(s.infos), len(s.methods), len(s.fields))
		if most, ok := namesMost[dir]; !ok || len(s.names) > most {
			t.Errorf("package %q exports %d names, more than %d: %q", dir, len(s.names), most, sorted(s.names))
		}
	}
}

// An example is what most people read first.
func TestEveryExportedTypeHasAnExample(t *testing.T) {
	t.Parallel()
	for _, dir := range packages() {
		s := surfaceOf(t, dir)
		for _, name := range sorted(s.types) {
			if !s.hasExample(name) {
				t.Errorf("package %q: there is no Example%s", dir, name)
			}
		}
	}
}

// packages lists what users import.
func packages() []string { return sorted(product) }

// surface is what a package exports: sets of names, those of methods and fields
// after that of their type.
type surface struct {
	names, infos, types, methods, fields map[string]bool
	examples                             []string
}

// surfaceOf reads the files of all operating systems.
func surfaceOf(t *testing.T, dir string) *surface {
	t.Helper()
	s := &surface{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, nil}
	files, err := filepath.Glob(filepath.Join(".", dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%q has no files: %v", dir, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if strings.HasSuffix(name, "_test.go") {
				s.example(d)
			} else {
				s.add(d)
			}
		}
	}
	return s
}

func (s *surface) example(d ast.Decl) {
	if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Example") {
		s.examples = append(s.examples, strings.TrimPrefix(f.Name.Name, "Example"))
	}
}

// hasExample reports whether there is an ExampleT or an ExampleT_Something.
func (s *surface) hasExample(name string) bool {
	return slices.ContainsFunc(s.examples, func(e string) bool { return e == name || strings.HasPrefix(e, name+"_") })
}

func (s *surface) add(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		s.addFunc(d)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					s.addName(name)
				}
			case *ast.TypeSpec:
				s.addType(spec)
			}
		}
	}
}

func (s *surface) addName(name *ast.Ident) {
	switch {
	case !name.IsExported():
	case strings.HasSuffix(name.Name, "Info") && name.Name != "Info":
		s.infos[name.Name] = true
	default:
		s.names[name.Name] = true
	}
}

func (s *surface) addFunc(f *ast.FuncDecl) {
	if f.Recv == nil {
		s.addName(f.Name)
		return
	}
	if of := receiver(f.Recv.List[0].Type); f.Name.IsExported() && ast.IsExported(of) {
		s.methods[of+"."+f.Name.Name] = true
	}
}

// receiver names the type of a method.
func receiver(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.StarExpr:
		return receiver(of.X)
	case *ast.IndexExpr:
		return receiver(of.X)
	case *ast.Ident:
		return of.Name
	}
	return ""
}

func (s *surface) addType(spec *ast.TypeSpec) {
	s.addName(spec.Name)
	if !spec.Name.IsExported() {
		return
	}
	s.types[spec.Name.Name] = true
	members, into := &ast.FieldList{}, s.fields
	switch is := spec.Type.(type) {
	case *ast.StructType:
		members = is.Fields
	case *ast.InterfaceType:
		members, into = is.Methods, s.methods
	}
	for _, m := range members.List {
		for _, name := range m.Names {
			if name.IsExported() {
				into[spec.Name.Name+"."+name.Name] = true
			}
		}
	}
}

func sorted[V any](set map[string]V) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
