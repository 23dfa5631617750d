package sockopt_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// A system that Go learns, or that the tables learn, has to be known in all of
// these places.
func TestEverySystemOfGoIsKnownEverywhere(t *testing.T) {
	t.Parallel()
	list, err := exec.Command("go", "tool", "dist", "list").Output()
	if err != nil {
		testnet.Missing(t, "the command go tool dist list")
	}
	systems := sockopt.Names()
	for platform := range strings.FieldsSeq(string(list)) {
		goos, _, _ := strings.Cut(platform, "/")
		if systems = append(systems, goos); !slices.Contains(sockopt.Names(), goos) {
			t.Errorf("tables.go has no %s", goos)
		}
	}
	slices.Sort(systems)
	for _, where := range []struct{ file, before, after string }{
		{"plan_test.go", `{on("`, `"`},
		{"../.ci/platforms", "", "/"},
	} {
		text, err := os.ReadFile(where.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, goos := range slices.Compact(slices.Clone(systems)) {
			if !strings.Contains(string(text), where.before+goos+where.after) {
				t.Errorf("%s has no %s", where.file, goos)
			}
		}
	}
}
