package health

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
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

// A payload that is shorter than it says tells nothing of the connection that it
// came by, if it came by one.
func TestATruncatedPayloadIsNoDeath(t *testing.T) {
	t.Parallel()
	_, full := io.ReadFull(bytes.NewReader([]byte("x")), make([]byte, 2))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	io.WriteString(w, "a payload")
	w.Close()
	r, err := gzip.NewReader(bytes.NewReader(packed.Bytes()[:packed.Len()-4]))
	if err != nil {
		t.Fatal(err)
	}
	_, zipped := io.ReadAll(r)
	for _, err := range []error{full, zipped} {
		if err == nil || IsDead(err) || Classify(err) != Unknown {
			t.Errorf("%v is %v", err, Classify(err))
		}
	}
}

// A peer that closes in the middle of a TLS record is known by the connection, not
// by the error.
func TestACloseInTheMiddleOfARecordIsFoundOnTheConnection(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	server.Write([]byte{22, 3, 3, 0, 9, 'x'})
	server.Close()
	c := tls.Server(client, new(tls.Config)) // which reads first: what is sent to who has closed draws a RST
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if err := c.Handshake(); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	// The alert that this side sends then may have drawn one.
	if err := Check(c); Classify(err) != PeerClosed && Classify(err) != Reset {
		t.Error(err)
	}
	if dead := Diagnose(c, io.ErrUnexpectedEOF); dead != nil && dead.Cause != Reset {
		t.Error(dead)
	}
}
