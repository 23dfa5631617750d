package machines

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/rigs/machines/server"
)

// The program that measures by a frozen socket of its own measures a machine, too, which
// it knows nothing of: it counts from the last sign of life, as the kernel tells it.
func TestFrozenpeerMeasuresAMachineThatIsPaused(t *testing.T) {
	need(t, all)
	m := start(t, spec{kernel: usual, role: []string{"serve"}})
	m.serves()
	program := workFile("frozenpeer")
	build(t, haleFolder, usual.goarch(), "build", "-o", program, "./examples/frozenpeer")
	t.Parallel()
	settings := []string{"-idle 1s -interval 3s -count 10", "-idle 20s -interval 50s -count 1"}
	var running []*process
	for _, s := range settings {
		args := slices.Concat(strings.Fields(s), []string{"-json", "-addr", m.port(server.Greeter)})
		running = append(running, startProcess(t, exec.Command(program, args...)))
	}
	time.Sleep(10 * time.Second)
	m.pause()
	for i, p := range running {
		<-p.done
		var r struct {
			Min    float64 `json:"predicted_min_s"`
			Max    float64 `json:"predicted_max_s"`
			Took   float64 `json:"detected_after_s"`
			Cause  string  `json:"cause"`
			Within bool    `json:"within_prediction"`
		}
		if err := json.Unmarshal([]byte(p.said()), &r); err != nil {
			t.Errorf("%s: %v: it said %q", settings[i], err, p.said())
			continue
		}
		table.add("frozenpeer -addr, the machine paused", settings[i], fmt.Sprintf("%.0f to %.0f s of silence", r.Min, r.Max),
			fmt.Sprintf("%.2f s of silence, %s", r.Took, r.Cause))
		if !p.cmd.ProcessState.Success() || !r.Within || r.Cause != "keepalive_timeout" {
			t.Errorf("%s: %v: it said %q", settings[i], p.cmd.ProcessState, p.said())
		}
	}
}
