package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A selection is what of a package is run; "" is all, and nothing.
type selection struct{ run, skip string }

// alone is one test by itself.
func alone(test string) selection { return selection{run: exactly(test)} }

// exactly is the pattern of one test.
func exactly(test string) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + quote(part) + "$"
	}
	return strings.Join(parts, "/")
}

// quote is regexp.QuoteMeta, but for the brackets in which the testing package
// looks for slashes and bars without regard to the backslash.
func quote(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(`[](){}`, r):
			b.WriteByte('.')
		case strings.ContainsRune(`\.+*?|^$`, r):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// exec runs the test binary as go test does.
func (p testPackage) exec(ctx context.Context, b binary, s selection, timeout time.Duration) (results, error) {
	// The binary ends itself, and says what was running. If it cannot:
	ctx, cancel := context.WithTimeout(ctx, timeout+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.path, "-test.v=test2json", "-test.paniconexit0", "-test.timeout="+timeout.String(),
		"-test.run="+s.run, "-test.skip="+s.skip)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), p.env...)
	if b.count != "" {
		cmd.Env = append(cmd.Env, "HALE_SUITES_COUNT="+b.count)
	}
	said, err := asJSON(cmd)
	if err != nil {
		return results{}, err
	}
	return read(said, cmd.ProcessState.Success()), nil
}

// leftRunning is how long a process that a test has left may go on talking.
const leftRunning = 5 * time.Second

// asJSON runs a test binary and returns its output as events.
func asJSON(cmd *exec.Cmd) (said []byte, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.Close()
	enough, end := context.WithCancel(context.Background())
	defer end()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its state tells
		close(ended)
		time.AfterFunc(leftRunning, end)
	}()
	converter := exec.CommandContext(enough, "go", "tool", "test2json", "-t") // -t has it tell how long tests took
	converter.Stdin, converter.WaitDelay = r, time.Second
	said, err = output(converter)
	<-ended
	if enough.Err() != nil {
		err = nil
	}
	return said, err
}
