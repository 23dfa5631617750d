package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// tests runs the test binaries that lie in /tests. Each line of /tests/list is a
// JSON array: the name of the binary, the folder of its package, and its arguments.
func tests([]string) error {
	f, err := os.Open("/tests/list")
	if err != nil {
		return err
	}
	defer f.Close()
	for in := json.NewDecoder(f); in.More(); {
		var line []string
		if err := in.Decode(&line); err != nil {
			return err
		}
		start := time.Now()
		cmd := exec.Command(filepath.Join("/tests", line[0]), line[2:]...)
		cmd.Dir = filepath.Join("/hale", line[1])
		cmd.Env = append(os.Environ(), "HALE_LAB=1")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
		fmt.Printf("\nbegin %s\n", line[0])
		err := cmd.Run()
		fmt.Printf("\nend %s %.1f %v\n", line[0], time.Since(start).Seconds(), err)
	}
	return nil
}
