package network

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// descriptors counts what this process has open, by what it is: of sockets,
// pipes and the like their kind, of files their path.
func descriptors(t *testing.T) map[string]int {
	t.Helper()
	paths, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	open := make(map[string]int)
	for _, path := range paths {
		if what, err := os.Readlink(path); err == nil { // else it was Glob's own
			kind, _, _ := strings.Cut(what, ":[")
			open[kind]++
		}
	}
	return open
}

// sameDescriptors fails the test if there are others than before.
func sameDescriptors(t *testing.T, before map[string]int) {
	t.Helper()
	if after := descriptors(t); !maps.Equal(before, after) {
		t.Errorf("descriptors: %v, and before: %v", after, before)
	}
}
