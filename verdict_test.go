package hale

import (
	"errors"
	"io"
	"net"
	"testing"

	"example.com/hale/health"
)

// deaths says of every cause whether it is a death that the Observer is told
// of and that calls return, or the end that the connection's user chose.
var deaths = map[health.Cause]bool{
	health.Unknown:          true,
	health.KeepAliveTimeout: true,
	health.SendTimeout:      true,
	health.PeerStalled:      true,
	health.Reset:            true,
	health.PeerClosed:       true, // as the end of both sides
	health.Unreachable:      true,
	health.HeartbeatFailed:  true,
	health.LocalClosed:      false,
	health.Aborted:          true,
}

func TestEveryCauseIsDecidedToBeADeathOrNot(t *testing.T) {
	t.Parallel()
	for cause := range health.Causes() {
		want, decided := deaths[cause]
		if !decided {
			t.Errorf("nobody has decided whether %v is a death", cause)
		}
		told := false
		client, _ := connect(t, &Dialer{Observer: &Observer{Dead: func(DeadInfo) { told = true }}})
		own := errors.New("net's own")
		client.end(func() *health.DeadError { return &health.DeadError{Cause: cause, Err: own} })
		err := client.fail(own)
		if told != want || health.IsDead(err) != want {
			t.Errorf("%v: told %v, returned %v", cause, told, err)
		}
	}
}

func TestEveryVerdictNamesThePeerAndTheWindow(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, client *Conn, server *net.TCPConn){
		"a close here":   func(_ *testing.T, client *Conn, _ *net.TCPConn) { client.Close() },
		"a FIN, watched": func(_ *testing.T, _ *Conn, server *net.TCPConn) { server.Close() },
		"a FIN, read": func(t *testing.T, client *Conn, server *net.TCPConn) {
			server.Close()
			if _, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Error(err)
			}
		},
		"a reset, watched": func(_ *testing.T, _ *Conn, server *net.TCPConn) { reset(server) },
		"a reset, read": func(t *testing.T, client *Conn, server *net.TCPConn) {
			reset(server)
			if _, err := client.Read(make([]byte, 1)); !health.IsDead(err) {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := connect(t, new(Dialer))
			peer, got := server.LocalAddr().String(), make(told, 10)
			defer client.Watch(got.tell)()
			end(t, client, server)
			dead := got.next(t)
			earliest, latest := client.Report().Window()
			if dead.Peer.String() != peer || dead.WindowEarliest != earliest || dead.WindowLatest != latest || latest == 0 {
				t.Errorf("%+v", dead)
			}
		})
	}
}
