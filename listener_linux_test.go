package hale

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// A connection that a client has negotiated as MPTCP has no user timeout.
func TestAStrictListenerRefusesAClientThatCannotHaveItsOptions(t *testing.T) {
	t.Parallel()
	told := make(chan AcceptedInfo, 2)
	l, err := (&ListenConfig{
		NetListenConfig: new(net.ListenConfig),
		KeepAlive:       sockopt.KeepAlive{StallTimeout: 5 * time.Second},
		Strict:          true,
		Observer:        &Observer{Accepted: func(i AcceptedInfo) { told <- i }},
	}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	multipath := new(net.Dialer)
	multipath.SetMultipathTCP(true)
	refused, err := multipath.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	testnet.NeedLinux(t, 5, 16, "a word on Multipath TCP (MPTCP_INFO)")
	if is, err := refused.(*net.TCPConn).MultipathTCP(); !is || err != nil {
		testnet.Missing(t, "Multipath TCP")
	}
	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().String() != plain.LocalAddr().String() {
		t.Errorf("accepted %v, not the plain one", c.RemoteAddr())
	}
	info := <-told
	if !errors.Is(info.Err, syscall.ENOPROTOOPT) || info.Conn != nil || info.RemoteAddr.String() != refused.LocalAddr().String() {
		t.Errorf("told %+v", info)
	}
	bound(t, refused, 10*time.Second)
	if _, err := refused.Read(make([]byte, 1)); err != io.EOF {
		t.Error("the refused client reads", err)
	}
}
