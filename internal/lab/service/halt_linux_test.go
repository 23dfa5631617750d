package service

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestAHaltedProgramStandsStillWithItsChildren(t *testing.T) {
	t.Parallel()
	var home Home
	const script = `(while :; do echo >> child; sleep 0.01; done) & trap 'kill $!; wait; exit' TERM; while :; do echo >> parent; sleep 0.01; done`
	s, err := shell(script, &home, func() error { return allGrow(home, nil) }).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Halt(); err != nil {
		t.Fatal(err)
	}
	at := sizes(home)
	time.Sleep(200 * time.Millisecond)
	if now := sizes(home); now != at {
		t.Errorf("%v bytes, then %v", at, now)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); allGrow(home, &at) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it has not gone on")
		}
	}
}

func TestAKilledProgramHasEndedWithItsChildren(t *testing.T) {
	t.Parallel()
	var home Home
	const script = `(while :; do echo >> child; sleep 0.01; done) & while :; do echo >> parent; sleep 0.01; done`
	s, err := shell(script, &home, func() error { return allGrow(home, nil) }).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pids, err := family(s.pid)
	if err != nil || len(pids) < 2 {
		t.Fatal(pids, err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); slices.ContainsFunc(pids, alive); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("of %v one lives", pids)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(home.Folder); !os.IsNotExist(err) {
		t.Error("its folder is left:", err)
	}
}

func TestAServerInThisProcessIsNotHalted(t *testing.T) {
	t.Parallel()
	s := serveEcho(t)
	if s.Halt() == nil || s.Resume() == nil || s.Kill() == nil {
		t.Error("no error")
	}
}

// sizes are those of the files that the script writes to.
func sizes(h Home) (of [2]int64) {
	for i, name := range []string{"parent", "child"} {
		if info, err := os.Stat(filepath.Join(h.Folder, name)); err == nil {
			of[i] = info.Size()
		}
	}
	return of
}

// allGrow is nil if all files are larger than before, or there.
func allGrow(h Home, before *[2]int64) error {
	if before == nil {
		before = new([2]int64)
	}
	if now := sizes(h); now[0] <= before[0] || now[1] <= before[1] {
		return fmt.Errorf("%v bytes", now)
	}
	return nil
}
