package hale

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"example.com/hale/health"
)

// hung is a reason that a user may have.
var hung = &health.DeadError{Cause: health.HeartbeatFailed, Op: "heartbeat", Silence: time.Second, Detected: time.Now()}

func TestAbortIsADeathForTheReasonGiven(t *testing.T) {
	t.Parallel()
	var told, observed atomic.Int32
	client, server := connect(t, &Dialer{Observer: &Observer{Dead: func(i DeadInfo) {
		if i.Err.Cause == health.HeartbeatFailed {
			observed.Add(1)
		}
	}}})
	bound(t, client, 10*time.Second)
	client.Watch(func(dead *health.DeadError) {
		if dead == client.Err() {
			told.Add(1)
		}
	})
	reading := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		reading <- err
	}()
	eventually(t, func() bool { return client.calls.Load() == 1 })
	client.Abort(hung)
	client.Abort(&health.DeadError{Cause: health.Reset})
	dead := asDead(t, <-reading)
	if dead.Cause != health.HeartbeatFailed || dead.Silence != time.Second || dead.Peer.String() != server.LocalAddr().String() || dead.WindowLatest == 0 {
		t.Errorf("%+v", dead)
	}
	_, err := client.Read(make([]byte, 1))
	_, werr := client.Write([]byte{1})
	for _, err := range []error{err, werr, client.Err()} {
		if err != error(dead) {
			t.Error(err)
		}
	}
	eventually(t, func() bool { return told.Load() == 1 && observed.Load() == 1 })
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := server.Read(make([]byte, 1)); health.Classify(err) != health.Reset {
		t.Errorf("the peer: %v", err)
	}
}

func TestAbortComesAfterWhatEndedTheConnectionBefore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(t *testing.T, client *Conn, server *net.TCPConn)
		cause  health.Cause
		read   error // if it is not the death
	}{
		"nothing": {func(*testing.T, *Conn, *net.TCPConn) {}, health.HeartbeatFailed, nil},
		"a reset": {func(t *testing.T, client *Conn, server *net.TCPConn) {
			server.SetLinger(0)
			server.Close()
			<-client.Done()
		}, health.Reset, nil},
		"a Close": {func(_ *testing.T, client *Conn, _ *net.TCPConn) { client.Close() }, health.LocalClosed, net.ErrClosed},
		"the peer's FIN": {func(t *testing.T, client *Conn, server *net.TCPConn) {
			server.Close()
			if _, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Error(err)
			}
		}, health.HeartbeatFailed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := connect(t, new(Dialer))
			bound(t, client, 10*time.Second)
			test.before(t, client, server)
			client.Abort(hung)
			_, err := client.Read(make([]byte, 1))
			if got := health.Classify(client.Err()); got != test.cause || test.read == nil && err != client.Err() || !errors.Is(err, test.read) && test.read != nil {
				t.Errorf("%v, read: %v", client.Err(), err)
			}
		})
	}
}
