package service

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// A Program is one that a server needs.
type Program struct {
	Name    string
	Package string // of Debian, for those who lack it
}

// folders are where Debian keeps servers that are on nobody's PATH, those of
// greater versions last.
var folders = []string{"/usr/lib/postgresql/?/bin", "/usr/lib/postgresql/??/bin", "/usr/sbin"}

// find returns where the program is, or an error that matches [ErrAbsent].
func (p Program) find() (string, error) {
	if path, err := exec.LookPath(p.Name); err == nil {
		return path, nil
	}
	for i := range folders {
		found, _ := filepath.Glob(filepath.Join(folders[len(folders)-1-i], p.Name)) // the patterns are good
		if len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%w: %s (Debian package %s)", ErrAbsent, p.Name, p.Package)
}
