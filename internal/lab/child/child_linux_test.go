package child

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Be("echo", echo)
	goleak.VerifyTestMain(m)
}

func echo() error {
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	return nil
}

func start(t *testing.T) *Process {
	t.Helper()
	p, err := Start(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if line, err := p.Line(); err != nil || line != "ready" {
		t.Fatal(line, err)
	}
	return p
}

func TestAChildAnswers(t *testing.T) {
	t.Parallel()
	if answer, err := start(t).Ask("who"); err != nil || answer != "who" {
		t.Error(answer, err)
	}
}

func TestASuspendedChildStandsAndCanBeKilled(t *testing.T) {
	t.Parallel()
	p := start(t)
	for range 2 {
		if err := p.Suspend(); err != nil {
			t.Fatal(err)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil || !strings.Contains(string(stat), ") T ") {
		t.Errorf("%s %v", stat, err)
	}
	p.Kill()
	if p.cmd.ProcessState == nil || p.cmd.ProcessState.Exited() {
		t.Errorf("not killed: %v", p.cmd.ProcessState)
	}
}

func TestAChildThatHasEndedSaysNoMore(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.Kill()
	p.Kill()
	if line, err := p.Line(); err == nil {
		t.Errorf("it said %q", line)
	}
}
