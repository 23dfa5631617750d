package hale

import (
	"os"
	"regexp"
	"testing"

	"example.com/hale/health"
)

func TestTheReadmeHasARowForEveryCause(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for c := range health.Causes() {
		row := regexp.MustCompile("(?m)^\\| `" + c.String() + "` \\|.*\\| `Test\\w+` \\|$")
		if c != health.Unknown && !row.Match(readme) {
			t.Errorf("README.md has no row for %v", c)
		}
	}
}
