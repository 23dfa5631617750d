package rawconn

import (
	"net"
	"os"
	"testing"
	"time"
)

// pair is two ends of a connection.
func pair(t *testing.T) (c, peer *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialled, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

func TestAnEndOfTheStreamIsToldFromAnErrorThatIsGone(t *testing.T) {
	t.Parallel()
	pages := make([]byte, 3*os.Getpagesize()+1)
	reset := func(c *net.TCPConn) { c.SetLinger(0); c.Close() }
	for name, test := range map[string]struct {
		end        func(c, peer *net.TCPConn)
		read       int
		saw, known bool
	}{
		"open":                     {end: func(*net.TCPConn, *net.TCPConn) {}, known: true},
		"unread":                   {end: func(_, peer *net.TCPConn) { peer.Write([]byte("abc")) }, known: true},
		"pages unread":             {end: func(_, peer *net.TCPConn) { peer.Write(pages) }, known: true},
		"closed":                   {end: func(_, peer *net.TCPConn) { peer.Close() }, saw: true, known: true},
		"closed, unread":           {end: func(_, peer *net.TCPConn) { peer.Write([]byte("abc")); peer.Close() }, saw: true, known: true},
		"closed, a byte unread":    {end: func(_, peer *net.TCPConn) { peer.Write([]byte("abc")); peer.Close() }, read: 2, saw: true, known: true},
		"closed, pages unread":     {end: func(_, peer *net.TCPConn) { peer.Write(pages); peer.Close() }, saw: true, known: true},
		"closed by both, unread":   {end: func(c, peer *net.TCPConn) { c.CloseWrite(); peer.Write([]byte("abc")); peer.Close() }, saw: true, known: true},
		"reset behind data":        {end: func(_, peer *net.TCPConn) { peer.Write([]byte("abc")); reset(peer) }, known: true},
		"reset behind pages":       {end: func(_, peer *net.TCPConn) { peer.Write(pages); reset(peer) }, known: true},
		"closed, read":             {end: func(_, peer *net.TCPConn) { peer.Write([]byte("abc")); peer.Close() }, read: 3, saw: true, known: true},
		"closed by both":           {end: func(c, peer *net.TCPConn) { peer.Close(); c.CloseWrite() }, saw: true, known: true},
		"closed here first":        {end: func(c, peer *net.TCPConn) { c.CloseWrite(); peer.Close() }, saw: true, known: true},
		"reset":                    {end: func(_, peer *net.TCPConn) { reset(peer) }, known: true},
		"reset behind data, read":  {end: func(_, peer *net.TCPConn) { peer.Write([]byte("abc")); reset(peer) }, read: 3, known: true},
		"closed, written to, over": {end: func(c, peer *net.TCPConn) { peer.Close(); c.Write([]byte("x")) }, saw: true, known: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, peer := pair(t)
			test.end(c, peer)
			if test.read > 0 {
				if _, err := c.Read(make([]byte, test.read)); err != nil {
					t.Fatal(err)
				}
			}
			raw, err := c.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			var saw, known bool
			for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
				raw.Control(func(fd uintptr) { saw, known = SawFIN(fd) })
				if saw == test.saw && known == test.known {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("saw %v, known %v", saw, known)
				}
			}
		})
	}
}
