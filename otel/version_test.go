package otelhale

import (
	"os"
	"regexp"
	"testing"
)

// The version is told once, by the changelog's newest heading.
func TestTheVersionIsTheChangelogs(t *testing.T) {
	changelog, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## (\S+)`).FindSubmatch(changelog)
	if newest == nil || string(newest[1]) != version {
		t.Errorf("version is %q, the changelog's newest heading %q", version, newest)
	}
}
