package hale

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Who may import whom inside the module, and that nobody but otel/ and the
// examples reaches OpenTelemetry.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	const module = "example.com/hale"
	allowed := map[string][]string{
		"internal/rawconn":  {},
		"internal/notify":   {},
		"sockopt":           {"internal/rawconn"},
		"health":            {"internal/rawconn", "internal/notify"},
		"health/healthtest": {"internal/rawconn"},
		"":                  {"internal/rawconn", "internal/notify", "sockopt", "health"},
		"pool":              {"internal/rawconn", "internal/notify", "health"},
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Deps " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		path, deps, _ := strings.Cut(strings.TrimSpace(line), ": ")
		pkg := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		may, guarded := allowed[pkg]
		if guarded {
			seen++
		}
		for dep := range strings.FieldsSeq(deps) {
			inside, ok := strings.CutPrefix(dep, module+"/")
			if guarded && ok && !slices.Contains(may, inside) {
				t.Errorf("%s must not depend on %s", path, dep)
			}
			if guarded && strings.Contains(dep, "opentelemetry") {
				t.Errorf("%s reaches %s", path, dep)
			}
			if guarded && (dep == "testing" || strings.HasPrefix(dep, "testing/")) {
				t.Errorf("%s drags in package %s", path, dep)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d of the packages were found", seen)
	}
}
