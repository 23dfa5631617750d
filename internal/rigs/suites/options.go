package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"example.com/hale/internal/lab/program"
)

// options are what the command line says.
type options struct {
	suites []suite
	skip   string // of go test, in both runs
	again  int
	bubble bool
	output bool
}

// parse reads the command line.
func parse(args []string, out io.Writer) (o options, err error) {
	f := program.NewFlags("suites", program.Exits{
		program.Held:   "nothing fails with hale alone but what is known to",
		program.Missed: "something does, or a suite could not be run",
	})
	names := f.String("suite", "", "the `suites` to run, with commas: "+strings.Join(suiteNames(), ", ")+" (default all)")
	module := f.String("module", "", "run the suite of this `module@version` instead")
	packages := f.String("packages", "./...", "the `patterns` of -module's packages, with commas")
	timeout := f.Duration("timeout", 5*time.Minute, "for one test binary of -module")
	f.StringVar(&o.skip, "skip", "", "leave out tests that match `pattern`, as go test does")
	f.IntVar(&o.again, "again", 5, "how often a test in doubt is run again, alone")
	f.BoolVar(&o.bubble, "bubbles", true, "put hale beneath connections that tests make in a bubble of testing/synctest, too")
	f.BoolVar(&o.output, "output", false, "print all that a finding's test has said")
	err = f.Parse(args, out, func() error {
		if *module != "" {
			o.suites, err = foreign(*module, *packages, *timeout)
		} else {
			o.suites, err = chosen(*names)
		}
		if err == nil && o.again < 1 {
			err = fmt.Errorf("-again %d: below 1", o.again)
		}
		return err
	})
	return o, err
}

// foreign is the suite of a module that is not in the table.
func foreign(module, packages string, timeout time.Duration) ([]suite, error) {
	path, version, ok := strings.Cut(module, "@")
	if !ok {
		return nil, fmt.Errorf("-module %s: no @version", module)
	}
	return []suite{{name: path, module: path, version: version, packages: strings.Split(packages, ","), timeout: timeout}}, nil
}

// chosen are the suites of these names, or all of them.
func chosen(names string) (some []suite, err error) {
	if names == "" {
		return suites, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(suites, func(s suite) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-suite %s: is none of %v", name, suiteNames())
		}
		some = append(some, suites[i])
	}
	return some, nil
}

func suiteNames() (names []string) {
	for _, s := range suites {
		names = append(names, s.name)
	}
	return names
}
