package mdcode

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Documents returns the blocks of README.md and of the documents in docs, in the
// repository that has its root at a folder.
func Documents(root string) (blocks []Block, err error) {
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	for _, name := range append(names, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, Blocks(name, strings.ReplaceAll(string(text), "\r\n", "\n"))...)
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("mdcode: no code in the documents under %q", root)
	}
	return blocks, nil
}

// Go returns the blocks of Go: those that need a module which only examples/clients has,
// and the others.
func (c Checker) Go(blocks []Block) (own, clients []Block, err error) {
	for _, b := range blocks {
		if b.Language != "go" {
			continue
		}
		needs, err := c.Imports(b)
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(needs, isElsewhere) {
			clients = append(clients, b)
		} else {
			own = append(own, b)
		}
	}
	return own, clients, nil
}

func isElsewhere(path string) bool {
	return slices.ContainsFunc(elsewhere, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}
