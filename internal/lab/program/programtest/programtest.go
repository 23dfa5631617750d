// Package programtest holds what the tests of all programs have in common.
package programtest

import (
	"context"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/program"
)

// Parse reads a command line, as a program does.
type Parse[T any] func(args []string, out io.Writer) (T, error)

// BadUsage fails the test unless each command line has an error of one line
// with the exit status [program.Usage], in which the text behind it stands.
func BadUsage[T any](t *testing.T, parse Parse[T], wants ...[2]string) {
	t.Helper()
	for _, want := range wants {
		var out strings.Builder
		_, err := parse(strings.Fields(want[0]), &out)
		if err == nil || !strings.Contains(err.Error(), want[1]) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", want[0], err, want[1])
		}
		if status := program.Status(err); status != program.Usage || out.Len() > 0 {
			t.Errorf("%s: exit status %d, and printed %q", want[0], status, &out)
		}
	}
}

// Help fails the test unless -help explains the exit statuses and all that is
// wanted.
func Help[T any](t *testing.T, parse Parse[T], wants ...string) {
	t.Helper()
	var out strings.Builder
	if _, err := parse([]string{"-help"}, &out); !errors.Is(err, flag.ErrHelp) || program.Status(err) != program.Held {
		t.Fatal(err)
	}
	for _, want := range append(wants, "exit status", "\n  0 ", "\n  2 ") {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// Interrupt runs a program with a command line, interrupts it after a time, and fails
// the test unless it ends in a few seconds with the exit status [program.Interrupted].
// It returns what was printed.
func Interrupt[T any](t *testing.T, parse Parse[T], run func(context.Context, T, io.Writer) error, line string, after time.Duration) string {
	t.Helper()
	options, err := parse(strings.Fields(line), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	start := time.Now()
	var out strings.Builder
	err = run(ctx, options, &out)
	if status := program.Status(err); status != program.Interrupted {
		t.Errorf("%s, interrupted after %v: exit status %d, %v\n%s", line, after, status, err, &out)
	}
	if took := time.Since(start); took > after+5*time.Second {
		t.Errorf("%s, interrupted after %v: ended after %v", line, after, took)
	}
	return out.String()
}

// Verdict fails the test unless the error of a program that says whether its promises
// were kept is want, with the exit status [program.Missed]; or nil, if want is empty.
func Verdict(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("all is well, and yet: %v", err)
		}
		return
	}
	if err == nil || err.Error() != want || program.Status(err) != program.Missed {
		t.Errorf("exit status %d, %v, want %s", program.Status(err), err, want)
	}
}
