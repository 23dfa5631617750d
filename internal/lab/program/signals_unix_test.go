//go:build unix

package program

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// stubbornEnv makes the test binary a program that goes on after an interrupt.
const stubbornEnv = "HALE_LAB_STUBBORN"

func TestMain(m *testing.M) {
	if os.Getenv(stubbornEnv) != "" {
		Main("stubborn", func(ctx context.Context, _ []string) error {
			fmt.Println("ready")
			<-ctx.Done()
			fmt.Println("interrupted")
			select {}
		})
	}
	os.Exit(m.Run())
}

func TestTheFirstSignalEndsTheContextAndTheSecondTheProcess(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := exec.CommandContext(t.Context(), os.Args[0])
		p.Env = append(os.Environ(), stubbornEnv+"=1")
		out, err := p.StdoutPipe()
		if err == nil {
			err = p.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for _, want := range []string{"ready", "interrupted"} {
			if lines.Scan(); lines.Text() != want {
				t.Errorf("it said %q, want %q", lines.Text(), want)
			}
			if err := p.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
		_ = p.Wait() // its error is the signal
		if got := p.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != signal {
			t.Errorf("ended: %v, want %v", p.ProcessState, signal)
		}
	}
}
