package network

import (
	"os"
	"strings"
	"testing"

	"example.com/hale/internal/lab/testnet"
)

// A socket is a TCP connection of a host that a process has open: the fields of
// its line in proc_net_tcp(5).
type socket []string

// sockets lists those of the host.
func sockets(t *testing.T, h *testnet.Host) (open []socket) {
	t.Helper()
	for _, file := range []string{"tcp", "tcp6"} {
		var table []byte
		err := h.Do(func() (err error) { table, err = os.ReadFile("/proc/thread-self/net/" + file); return err })
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(table)), "\n")[1:] {
			if s := socket(strings.Fields(line)); !s.listens() && s.owned() {
				open = append(open, s)
			}
		}
	}
	return open
}

func (s socket) listens() bool { return s[3] == "0A" }
func (s socket) owned() bool   { return s[9] != "0" } // its inode

// atRest: everything that was sent has been acknowledged, and what was received
// has been read.
func (s socket) atRest() bool { return s[4] == "00000000:00000000" }

// settle waits until no host has anything to send any more, acknowledgements
// that are delayed included: what the break is to meet is silence.
func (s *scene) settle() {
	s.t.Helper()
	eventually(s.t, promise, "all connections are at rest", func() bool {
		for _, h := range s.hosts {
			for _, c := range sockets(s.t, h) {
				if !c.atRest() {
					return false
				}
			}
		}
		return true
	})
}
