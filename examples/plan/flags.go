package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/hale/internal/lab/program"
	"example.com/hale/sockopt"
)

type options struct {
	platform  sockopt.Platform
	here      bool // the platform is the one we run on
	keepAlive sockopt.KeepAlive
	json      bool
}

var exits = program.Exits{
	program.Held:   "the plan was printed",
	program.Missed: "this machine does not let it be tried out",
}

func parse(args []string, out io.Writer) (o options, err error) {
	fs := program.NewFlags("plan", exits)
	goos := fs.String("goos", "", "operating system to plan for, as in `GOOS` (default this machine)")
	build := fs.String("build", "", "its `version`: major.minor.build, of which the end may be missing;\na single number on windows is a build of 10.0 (default the newest)")
	within := fs.Duration("within", 0, "derive all values from the `time` in which a dead peer has to be noticed")
	k := &o.keepAlive
	for _, f := range []struct {
		name, usage string
		to          *time.Duration
	}{
		{"idle", "quiet `time` before the first probe", &k.Idle},
		{"interval", "`time` between unanswered probes", &k.Interval},
		{"user-timeout", "longest `time` that sent data may stay unacknowledged", &k.UserTimeout},
		{"stall-timeout", "longest `time` that a live peer may read nothing (default for ever)", &k.StallTimeout},
		{"pace", "longest `time` between two retransmissions", &k.Pace},
	} {
		fs.Func(f.name, f.usage+"; -1 leaves the system's", func(s string) (err error) {
			*f.to, err = parseTime(s)
			return err
		})
	}
	fs.DurationVar(&k.PathIdleTimeout, "path-idle-timeout", 0, "`time` without a packet after which something on the path forgets the flow")
	fs.DurationVar(&k.TolerateGap, "tolerate-gap", 0, "`time` for which nothing may pass without the peer being given up")
	fs.IntVar(&k.Count, "count", 0, "unanswered `probes` before the kernel gives up; -1 leaves the system's")
	fs.BoolVar(&o.json, "json", false, "print one JSON object")

	err = fs.Parse(args, out, func() (err error) {
		given := make(map[string]bool)
		fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
		if given["within"] {
			beside := sockopt.KeepAlive{StallTimeout: k.StallTimeout, Pace: k.Pace, PathIdleTimeout: k.PathIdleTimeout, TolerateGap: k.TolerateGap}
			if *k != beside {
				return errors.New("-within gives all values: leave out -idle, -interval, -count and -user-timeout")
			}
			*k = sockopt.Within(*within)
			k.StallTimeout, k.Pace = beside.StallTimeout, beside.Pace
			k.PathIdleTimeout, k.TolerateGap = beside.PathIdleTimeout, beside.TolerateGap
		}
		o.here = !given["goos"] && !given["build"]
		o.platform, err = parsePlatform(*goos, *build)
		return err
	})
	return o, err
}

func parseTime(s string) (time.Duration, error) {
	if s == "-1" {
		return -1, nil
	}
	return time.ParseDuration(s)
}

var known = []string{"aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js",
	"linux", "netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows"}

func parsePlatform(goos, build string) (sockopt.Platform, error) {
	if goos == "" && build == "" {
		return sockopt.Current(), nil
	}
	if goos == "" {
		goos = runtime.GOOS
	}
	p := sockopt.Platform{GOOS: goos}
	if !slices.Contains(known, goos) {
		return p, fmt.Errorf("-goos %q: not one of %s", goos, strings.Join(known, ", "))
	}
	if build == "" {
		return p, nil
	}
	if goos == "windows" && !strings.Contains(build, ".") {
		build = "10.0." + build
	}
	parts := strings.Split(build, ".")
	into := []*uint32{&p.Major, &p.Minor, &p.Build}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || i == len(into) {
			return p, fmt.Errorf("-build %q: not a version like 14393, 5.6 or 10.0.17763", build)
		}
		*into[i] = uint32(n)
	}
	return p, nil
}
