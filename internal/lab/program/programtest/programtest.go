// Package programtest holds what the tests of all programs have in common.
package programtest

import (
	"errors"
	"flag"
	"io"
	"strings"
	"testing"

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
