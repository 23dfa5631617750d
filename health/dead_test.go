package health

import (
	"io"
	"net"
	"testing"
)

// addressed is a connection without a socket that has an address.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{Port: 7} }
func (addressed) LocalAddr() net.Addr  { return &net.TCPAddr{Port: 8} }

func TestADeathNamesThePeer(t *testing.T) {
	dead := newDeadError(addressed{}, Reset, Info{}, io.EOF)
	if dead.Peer.String() != ":7" {
		t.Errorf("%+v", dead)
	}
	if dead := newDeadError(nil, Reset, Info{}, io.EOF); dead.Peer != nil {
		t.Errorf("%v", dead.Peer)
	}
}
