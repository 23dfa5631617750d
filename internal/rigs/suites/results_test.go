package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// said is what test2json says, line by line.
func said(events ...string) []byte {
	var b strings.Builder
	for _, e := range events {
		action, rest, _ := strings.Cut(e, " ")
		test, output, _ := strings.Cut(rest, " ")
		b.WriteString(`{"Action":"` + action + `","Test":"` + test + `","Output":"` + output + `\n"}` + "\n")
	}
	return []byte(b.String())
}

func TestTheEndOfAProcessIsPutDownToATest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		events   []byte
		culprits []string
		finished []string
	}{
		"a test that panicked": {
			said("run TestA", "pass TestA", "run TestB", "run TestB/part", "fail TestB/part", "fail TestB", "output  panic: oh [recovered, repanicked]"),
			[]string{"TestB/part"}, []string{"TestA"},
		},
		"the time was over": {
			said("run TestA", "fail TestA", "run TestB", "run TestC", "pause TestC",
				"output TestB panic: test timed out after 1s", `output TestB \trunning tests:`, `output TestB \t\tTestB (1s)`),
			[]string{"TestB"}, []string{"TestA"},
		},
		"a goroutine that a test has started": {
			said("run TestA", "pass TestA", "run TestB", "run TestC", "output TestB panic: oh", "output TestB ",
				"output TestB goroutine 7 [running]:", "output TestB created by example.com/p_test.TestC in goroutine 6"),
			[]string{"TestC"}, []string{"TestA"},
		},
		"a goroutine of nobody's": {
			said("run TestA", "pass TestA", "run TestB", "run TestB/part", "run TestC", "pause TestC", "output  panic: oh"),
			[]string{"TestB/part"}, []string{"TestA"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := read(tt.events, false)
			if !r.crashed {
				t.Error("it is not noticed")
			}
			if got := r.culprits(); !slices.Equal(got, tt.culprits) {
				t.Errorf("culprits %q, want %q", got, tt.culprits)
			}
			if got := r.finished(); !slices.Equal(got, tt.finished) {
				t.Errorf("finished %q, want %q", got, tt.finished)
			}
		})
	}
}

func TestAProcessThatFailsWithoutATestIsAFailureOfItsOwn(t *testing.T) {
	t.Parallel()
	events := said("run TestA", "pass TestA")
	if r := read(events, true); r.tests[whole] != passed || r.crashed {
		t.Errorf("success: %v, crashed %v", r.tests[whole], r.crashed)
	}
	if r := read(events, false); r.tests[whole] != failed || r.crashed {
		t.Errorf("a goroutine was left: %v, crashed %v", r.tests[whole], r.crashed)
	}
	if r := read(said("run TestA", "fail TestA"), false); r.tests[whole] != passed || r.crashed {
		t.Errorf("a test failed: %v, crashed %v", r.tests[whole], r.crashed)
	}
}

func TestATestIsSelectedByItsName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"TestA", "TestA/b_c", "TestA/1+1=2", "TestA/[::1]:80", "TestA/a|b", `TestA/a\b`, "TestA/f(x){y}"} {
		patterns := strings.Split(exactly(name), "/")
		for i, part := range strings.Split(name, "/") {
			if !regexp.MustCompile(patterns[i]).MatchString(part) {
				t.Errorf("%q does not match %q", patterns[i], part)
			}
		}
	}
}

func TestTheKnownFindingsAreReadable(t *testing.T) {
	t.Parallel()
	all, err := readKnown(knownFile)
	if err != nil {
		t.Fatal(err)
	}
	if find(all, "net/http", "TestLinuxSendfile") == nil || find(all, "net/http", "TestLinux") != nil {
		t.Error("a test is found by its whole name alone")
	}
	for _, bad := range []string{"a\tTestB\tfails\n", "a\tTestB\tperhaps\tbecause\n", "a\t\tfails\tbecause\n"} {
		if _, err := readKnown(bad); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}
