package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A Home is a folder for one server, and the user that its programs run as:
// nobody if this process is root's, because servers refuse to be root's.
type Home struct {
	Folder string // gone when the server is closed
}

func newHome(name string) (Home, error) {
	folder, err := os.MkdirTemp("", name+"-")
	if err != nil {
		return Home{}, err
	}
	return Home{folder}, handOver(folder)
}

func (h Home) remove() error { return os.RemoveAll(h.Folder) }

// Path is where the file of that name is in the folder.
func (h Home) Path(name string) string { return filepath.Join(h.Folder, name) }

// WriteFile writes a file that the server alone may read.
func (h Home) WriteFile(name string, data []byte) error {
	if err := os.WriteFile(h.Path(name), data, 0o600); err != nil {
		return err
	}
	return handOver(h.Path(name))
}

// Run runs a program in the folder to its end. The error has the end of its
// output.
func (h Home) Run(ctx context.Context, program Program, args ...string) error {
	path, err := program.find()
	if err != nil {
		return err
	}
	p, err := h.start(path, args...)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		err = errors.Join(ctx.Err(), p.kill())
	}
	if err == nil && !p.cmd.ProcessState.Success() {
		err = errors.New(p.cmd.ProcessState.String())
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", program.Name, err, p.tail())
	}
	return nil
}
