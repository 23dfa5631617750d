package hale

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// leaves know nothing else of the module.
var leaves = []string{"internal/awake", "internal/bubble", "internal/errno", "internal/giveway", "internal/hooks", "internal/logline", "internal/netconn", "internal/notify", "internal/pauses", "internal/rawconn", "internal/tcpretries"}

// product is every package that users import, with what of the module it may
// depend on besides the leaves.
var product = map[string][]string{
	"sockopt":           {},
	"health":            {},
	"health/deathwatch": {"health"},
	"health/heartbeat":  {"health"},
	"health/healthtest": {},
	"":                  {"sockopt", "health", "health/deathwatch"},
	"pool":              {"health", "health/heartbeat"},
	"pool/debugpage":    {"sockopt", "health", "health/heartbeat", "pool", "pool/cluster"},
	"pool/cluster":      {"health", "health/heartbeat", "pool"},
	"otel":              {"", "sockopt", "health", "health/deathwatch", "health/heartbeat", "pool", "pool/cluster"},
}

// Imports run one way: leaves, sockopt and health, hale and pool, otel; and
// what stands above the product, internal/lab and the examples, is imported by
// none of it. Nobody but otel and those reaches OpenTelemetry.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range ownPackages(t) {
		switch {
		case slices.Contains(leaves, p.name):
			p.mayDependOn(t, nil)
		case strings.HasPrefix(p.name, "internal/lab/"):
			p.isAbove(t, "examples/")
		case strings.HasPrefix(p.name, "examples/"):
			p.isAbove(t, p.name)
		default:
			may, ok := product[p.name]
			if !ok {
				t.Errorf("package %q has no place in the layout", p.name)
			}
			p.mayDependOn(t, slices.Concat(leaves, may))
		}
	}
}

// ownPackage is a package of this module with all that it depends on.
type ownPackage struct {
	name string // "" is the root
	own  []string
	deps []string
}

// ownPackages lists the module.
func ownPackages(t *testing.T) (all []ownPackage) {
	module := goList(t, "-m")[0]
	own := func(path string) (string, bool) {
		rest, ok := strings.CutPrefix(path, module)
		return strings.TrimPrefix(rest, "/"), ok && (rest == "" || rest[0] == '/')
	}
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...") {
		words := strings.Fields(line)
		p := ownPackage{deps: words[1:]}
		p.name, _ = own(words[0])
		for _, dep := range p.deps {
			if name, ok := own(dep); ok {
				p.own = append(p.own, name)
			}
		}
		all = append(all, p)
	}
	for name := range product {
		if !slices.ContainsFunc(all, func(p ownPackage) bool { return p.name == name }) {
			t.Errorf("there is no package %q", name)
		}
	}
	return all
}

func goList(t *testing.T, args ...string) []string {
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// mayDependOn checks a package that users get.
func (p ownPackage) mayDependOn(t *testing.T, may []string) {
	for _, dep := range p.own {
		if !slices.Contains(may, dep) {
			t.Errorf("%q must not depend on %q", p.name, dep)
		}
	}
	for _, dep := range p.deps {
		if p.name != "otel" && strings.Contains(dep, "opentelemetry") {
			t.Errorf("%q reaches %s", p.name, dep)
		}
		if dep == "testing" || strings.HasPrefix(dep, "testing/") {
			t.Errorf("%q drags in package %s", p.name, dep)
		}
	}
}

// isAbove checks that the package imports nothing that begins with prefix.
func (p ownPackage) isAbove(t *testing.T, prefix string) {
	for _, dep := range p.own {
		if strings.HasPrefix(dep, prefix) {
			t.Errorf("%q must not depend on %q", p.name, dep)
		}
	}
}
