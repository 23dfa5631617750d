// Suites runs other people's tests with hale beneath: the suites of net/http,
// golang.org/x/net/http2, grpc-go and pgx, each without hale and with it.
//
//	go run ./suites
//	go run ./suites -suite http2,nethttp
//	go run ./suites -module golang.org/x/crypto@v0.58.0 -packages ./ssh/...
//
// What fails with hale alone is a finding. The file known.tsv has those that are
// expected, with the reason; any other one fails the run. README.md has more.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/service"
)

func main() {
	program.Main("suites", func(ctx context.Context, args []string) error {
		o, err := parse(args, os.Stdout)
		if err != nil {
			return err
		}
		return run(ctx, o, os.Stdout)
	})
}

// run runs the suites, one after the other.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	expected, err := readKnown(knownFile)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "suites-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	overlay, err := newOverlay(ctx, folder)
	if err != nil {
		return err
	}
	r := rig{options: o, folder: folder, overlay: overlay, known: expected, out: out}
	for _, s := range o.suites {
		err = errors.Join(err, r.suite(ctx, s))
		if ctx.Err() != nil {
			return program.ErrInterrupted
		}
	}
	return errors.Join(err, r.summary())
}

// A rig is one run.
type rig struct {
	options
	folder  string // of its own, for all that is written
	overlay string // the name of the file
	known   []known
	out     io.Writer
	done    []account
}

// suite runs a suite both ways, and prints what is to be told of it. An error is
// one of the rig's own.
func (r *rig) suite(ctx context.Context, s suite) error {
	fmt.Fprintf(r.out, "\n== %s\n", s)
	env, stop, err := s.services(ctx)
	if errors.Is(err, service.ErrAbsent) && os.Getenv("HALE_LAB") == "" {
		fmt.Fprintf(r.out, "SKIPPED %s: %v\n", s.name, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	packages, err := r.packages(ctx, s)
	for _, p := range packages {
		p.env = env
		if r.bubble {
			p.env = append(slices.Clip(env), "HALE_SUITES_BUBBLES=1")
		}
		if err = r.pkg(ctx, s, p); err != nil {
			break
		}
	}
	if _, t, _ := r.total(s.name); err == nil && t.dialled+t.accepted == 0 {
		err = errors.New("not one connection was hale's")
	}
	if err = errors.Join(err, stop()); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// pkg runs the tests of one package both ways.
func (r *rig) pkg(ctx context.Context, s suite, p testPackage) error {
	j := judge{rig: r, p: p, timeout: s.timeout}
	var err error
	if j.plain, err = r.compile(ctx, p, plain); err != nil {
		return err
	}
	if j.hale, err = r.compile(ctx, p, withHale); err != nil {
		return err
	}
	a, err := j.judge(ctx)
	if err != nil {
		return err
	}
	a.suite = s.name
	r.done = append(r.done, a)
	a.print(r.out, r.output)
	return errors.Join(os.Remove(j.plain.path), os.Remove(j.hale.path))
}
