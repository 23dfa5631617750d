package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
		b := testBinary{name: line[0], folder: line[1], arguments: line[2:]}
		start := time.Now()
		fmt.Printf("\nbegin %s\n", b.name)
		said, err := b.run()
		fmt.Printf("\nend %s %.1f %v\n", b.name, time.Since(start).Seconds(), err)
		b.again(said)
	}
	return nil
}

type testBinary struct {
	name, folder string
	arguments    []string
}

// run prints what the binary says, and returns it.
func (b testBinary) run(more ...string) (said string, err error) {
	var out bytes.Buffer
	cmd := exec.Command(filepath.Join("/tests", b.name), slices.Concat(b.arguments, more)...)
	cmd.Dir = filepath.Join("/hale", b.folder)
	cmd.Env = os.Environ()
	if _, err := exec.LookPath("ip"); err == nil { // and what else is the machine's own
		cmd.Env = append(cmd.Env, "HALE_LAB=1")
	}
	cmd.Stdout = io.MultiWriter(os.Stdout, &out)
	cmd.Stderr = cmd.Stdout
	err = cmd.Run()
	return out.String(), err
}

var failure = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// mostAgain is how many failures may be an emulated processor's.
const mostAgain = 40

// again runs each test that has failed by itself: what measures times may fail on an
// emulated processor that has others to run. What fails by itself, too, has failed.
func (b testBinary) again(said string) {
	var names []string
	for _, m := range failure.FindAllStringSubmatch(said, -1) {
		names = append(names, m[1])
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(names, func(other string) bool { return strings.HasPrefix(other, name+"/") })
	})
	if len(names) > mostAgain {
		return
	}
	for _, name := range names {
		parts := strings.Split(name, "/")
		for i, part := range parts {
			parts[i] = "^" + regexp.QuoteMeta(part) + "$"
		}
		_, err := b.run("-test.skip=", "-test.run="+strings.Join(parts, "/"))
		fmt.Printf("\nalone %s %s %v\n", b.name, name, err)
	}
}
