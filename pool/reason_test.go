package pool

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestEveryReasonIsInTheList(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("observer.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []Reason
	for _, m := range regexp.MustCompile(`(?m)^\tReason\w+ +Reason = "(\w+)"`).FindAllSubmatch(source, -1) {
		declared = append(declared, Reason(m[1]))
	}
	if got := slices.Collect(Reasons()); !slices.Equal(got, declared) || len(got) == 0 {
		t.Errorf("Reasons yields %q, declared are %q", got, declared)
	}
}
