package main

import (
	"slices"
	"testing"
)

func TestWhatHasFailedIsRunAgain(t *testing.T) {
	t.Parallel()
	names := failures("--- FAIL: TestA (1s)\n    --- FAIL: TestA/one_(1) (0s)\n    --- FAIL: TestA/two (0s)\n        --- FAIL: TestA/two/in (0s)\n" +
		"--- PASS: TestB (0s)\n--- FAIL: TestC (0s)\n--- FAIL: TestD (0s)\n")
	if want := []string{"TestA/one_(1)", "TestA/two/in", "TestC", "TestD"}; !slices.Equal(names, want) {
		t.Fatalf("%q", names)
	}
	var patterns []string
	for _, together := range siblings(names) {
		patterns = append(patterns, pattern(together))
	}
	want := []string{`^TestA$/^(one_\(1\))$`, `^TestA$/^two$/^(in)$`, `^(TestC|TestD)$`}
	if !slices.Equal(patterns, want) {
		t.Errorf("%q", patterns)
	}
}
