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

// failures are the tests that have failed, the innermost ones.
func failures(said string) (names []string) {
	for _, m := range failure.FindAllStringSubmatch(said, -1) {
		names = append(names, m[1])
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(names, func(other string) bool { return strings.HasPrefix(other, name+"/") })
	})
}

// mostAgain is how many failures may be an emulated processor's.
const mostAgain = 80

// again runs what has failed with few others beside it, and what fails then by itself:
// what measures times may fail on an emulated processor that has others to run. What
// fails by itself, too, has failed.
func (b testBinary) again(said string) {
	names := failures(said)
	if len(names) > mostAgain {
		return
	}
	for _, together := range siblings(names) {
		said, err := b.run("-test.skip=", "-test.parallel=4", "-test.run="+pattern(together))
		failed := failures(said)
		if err != nil && len(failed) == 0 {
			failed = together
		}
		for _, name := range together {
			var alone error
			if slices.Contains(failed, name) {
				_, alone = b.run("-test.skip=", "-test.run="+pattern([]string{name}))
			}
			fmt.Printf("\nalone %s %s %v\n", b.name, name, alone)
		}
	}
}

// siblings are names of tests, those that are parts of one together.
func siblings(names []string) (groups [][]string) {
	at := make(map[string]int)
	for _, name := range names {
		parent, _ := cutLast(name)
		i, ok := at[parent]
		if !ok {
			i = len(groups)
			at[parent], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], name)
	}
	return groups
}

// pattern is what -test.run has for siblings.
func pattern(names []string) string {
	above, _ := cutLast(names[0])
	var parts, last []string
	if above != "" {
		for part := range strings.SplitSeq(above, "/") {
			parts = append(parts, "^"+regexp.QuoteMeta(part)+"$")
		}
	}
	for _, name := range names {
		_, part := cutLast(name)
		last = append(last, regexp.QuoteMeta(part))
	}
	return strings.Join(append(parts, "^("+strings.Join(last, "|")+")$"), "/")
}

// cutLast cuts the name of a test before its last part.
func cutLast(name string) (above, last string) {
	i := strings.LastIndex(name, "/")
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}
