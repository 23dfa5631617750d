package twin

import (
	"testing"
	"time"
)

func TestASecondProcessIsStoppedAndGoesOn(t *testing.T) {
	t.Parallel()
	if arg, ok := Role(t); ok {
		StandStill(100*time.Millisecond, arg)
		Say("still here")
		return
	}
	p := Start(t, "an argument")
	if line := p.Line(); line != "an argument" {
		t.Error(line)
	}
	p.Stop()
	if !p.stopped() {
		t.Error("not stopped")
	}
	time.Sleep(200 * time.Millisecond)
	p.Continue()
	if line := p.Line(); line != "still here" {
		t.Error(line)
	}
	p.End()
}

func TestASecondProcessIsKilledWithTheTest(t *testing.T) {
	t.Parallel()
	if _, ok := Role(t); ok {
		Say("ready")
		time.Sleep(time.Minute) // until it is killed
	}
	p := Start(t, "")
	p.Line()
	p.Stop()
	p.kill()
	if p.cmd.ProcessState == nil || p.cmd.ProcessState.Success() {
		t.Error(p.cmd.ProcessState)
	}
}
