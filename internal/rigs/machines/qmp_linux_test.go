package machines

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
)

// A monitor is the connection by which a qemu is told what to do (QMP, qemu's
// docs/interop/qmp-spec).
type monitor struct {
	conn net.Conn
	in   *json.Decoder
}

// monitorTimeout bounds each command, of which loading a snapshot takes longest.
const monitorTimeout = 60 * time.Second

func newMonitor(path string) (*monitor, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	m := &monitor{conn, json.NewDecoder(bufio.NewReader(conn))}
	var greeting struct{ QMP any }
	if err := m.in.Decode(&greeting); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if _, err := m.do("qmp_capabilities", nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return m, nil
}

// do has qemu carry out a command, and returns what it answers.
func (m *monitor) do(command string, arguments map[string]any) (answer json.RawMessage, err error) {
	if err := m.conn.SetDeadline(time.Now().Add(monitorTimeout)); err != nil {
		return nil, err
	}
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return nil, err
	}
	for {
		var reply struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		switch err := m.in.Decode(&reply); {
		case err != nil:
			return nil, fmt.Errorf("qemu, %s: %w", command, err)
		case reply.Error != nil:
			return nil, fmt.Errorf("qemu, %s: %s", command, reply.Error.Desc)
		case reply.Return != nil: // and not an event
			return reply.Return, nil
		}
	}
}

// A qemu says what happens between its answers.
func TestTheMonitorTellsAnswersFromEvents(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		defer theirs.Close()
		in := bufio.NewReader(theirs)
		for _, answer := range []string{
			`{"event": "STOP", "timestamp": {}}` + "\n" + `{"return": {"running": false}}`,
			`{"error": {"class": "GenericError", "desc": "no such thing"}}`,
		} {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			fmt.Fprintln(theirs, answer)
		}
	}()
	m := &monitor{ours, json.NewDecoder(ours)}
	if answer, err := m.do("query-status", nil); err != nil || string(answer) != `{"running": false}` {
		t.Errorf("%s %v", answer, err)
	}
	if _, err := m.do("nonsense", nil); err == nil || err.Error() != "qemu, nonsense: no such thing" {
		t.Errorf("%v", err)
	}
}
