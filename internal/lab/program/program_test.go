package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestEveryErrorHasItsExitStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, Held},
		{fmt.Errorf("help: %w", flag.ErrHelp), Held},
		{errors.New("lost"), Missed},
		{ErrInterrupted, Interrupted},
		{fmt.Errorf("scenario: %w", Failure{os.ErrExist, 4}), 4},
		{Freezing(fmt.Errorf("attach: %w", os.ErrPermission)), Cannot},
		{Freezing(errors.ErrUnsupported), Cannot},
		{Freezing(os.ErrExist), Missed},
		{Freezing(nil), Held},
	} {
		if got := Status(test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
}

func TestAFailureIsTheErrorUnderIt(t *testing.T) {
	t.Parallel()
	err := error(Failure{os.ErrExist, 4})
	if !errors.Is(err, os.ErrExist) || err.Error() != os.ErrExist.Error() {
		t.Error(err)
	}
}

// walk is a set of flags, and what they were set to.
func walk() (f *Flags, pace *time.Duration) {
	f = NewFlags("walk", Exits{Held: "arrived", Missed: "lost,\nor late"})
	return f, f.Duration("pace", time.Second, "`time` of a step")
}

func TestFlagsAreReadAndChecked(t *testing.T) {
	t.Parallel()
	f, pace := walk()
	err := f.Parse([]string{"-pace", "2s"}, nil, func() error { return AtLeast(Least{"pace", *pace, time.Second}) })
	if err != nil || *pace != 2*time.Second {
		t.Error(*pace, err)
	}
}

func TestBadUsageIsOneLineWithAStatusOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want string }{
		{"-pace soon", `invalid value "soon" for flag -pace: parse error`},
		{"-run", "flag provided but not defined: -run"},
		{"home", `unexpected argument "home"`},
		{"-pace -1s", "-pace -1s: below 0s"},
	} {
		f, pace := walk()
		err := f.Parse(strings.Fields(test.args), nil, func() error { return AtLeast(Least{"pace", *pace, 0}) })
		if err == nil || err.Error() != test.want || Status(err) != Usage {
			t.Errorf("%s: %v, status %d", test.args, err, Status(err))
		}
	}
}

func TestACheckMayHaveAnotherStatusThanUsage(t *testing.T) {
	t.Parallel()
	f, _ := walk()
	err := f.Parse(nil, nil, func() error { return Failure{os.ErrExist, Cannot} })
	if Status(err) != Cannot {
		t.Error(err)
	}
}

func TestHelpExplainsStatusesAndFlags(t *testing.T) {
	t.Parallel()
	f, _ := walk()
	f.Intro = "\nOn foot.\n"
	var out strings.Builder
	if err := f.Parse([]string{"-help"}, &out, nil); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	const want = `usage: walk [flags]

On foot.

exit status:
  0    arrived
  1    lost,
       or late
  2    bad usage
  130  interrupted

flags:
  -pace time
    	time of a step (default 1s)
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestWhatIsUnknownIsNullInJSON(t *testing.T) {
	t.Parallel()
	type document struct {
		Took, Never *float64
		Count       *int
	}
	var out strings.Builder
	d := document{Seconds(1500 * time.Millisecond), Seconds(-1), OrNull(0)}
	if err := PrintJSON(&out, d, d); err != nil {
		t.Fatal(err)
	}
	const line = `{"Took":1.5,"Never":null,"Count":0}` + "\n"
	if out.String() != line+line {
		t.Error(out.String())
	}
}

func TestRunReturnsTheStatusOfWhatItRuns(t *testing.T) {
	t.Parallel()
	got := Run("walk", []string{"home"}, func(ctx context.Context, args []string) error {
		if len(args) != 1 || ctx.Err() != nil {
			t.Error(args, ctx.Err())
		}
		return flag.ErrHelp
	})
	if got != Held {
		t.Error(got)
	}
}

func TestTheFirstFailureEndsAllThatRunsTogether(t *testing.T) {
	t.Parallel()
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	fail := func(context.Context) error { return os.ErrExist }
	if err := Together(t.Context(), wait, fail, wait); err != os.ErrExist {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Together(ctx, wait, wait); err != ErrInterrupted {
		t.Error(err)
	}
	if err := Together(t.Context()); err != nil {
		t.Error(err)
	}
}
