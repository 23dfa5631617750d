package netconn

import (
	"crypto/tls"
	"net"
	"sync"
	"syscall"
	"testing"
)

// wrapper is a connection with another in it, which may be itself.
type wrapper struct {
	net.Conn
	under net.Conn
}

func (w *wrapper) NetConn() net.Conn { return w.under }

// circle returns wrappers that lead around.
func circle(n int) net.Conn {
	first := new(wrapper)
	last := first
	for range n - 1 {
		last = &wrapper{under: last}
	}
	first.under = last
	return first
}

type marked struct{ net.Conn }

// rawWrapper is as go-proxyproto's: its addresses are read from the connection.
type rawWrapper struct {
	unreadable
	conn net.Conn
}

func (w *rawWrapper) Raw() net.Conn { return w.conn }

// unreadable is a connection each of whose methods but Close may read.
type unreadable struct{ net.Conn }

func (unreadable) LocalAddr() net.Addr         { panic("called") }
func (unreadable) RemoteAddr() net.Addr        { panic("called") }
func (unreadable) Read([]byte) (int, error)    { panic("called") }
func (unreadable) Write(b []byte) (int, error) { panic("called") }

type socksConn struct { // as golang.org/x/net/internal/socks.Conn
	net.Conn
	_ net.Addr
}

type muxConn struct { // as cmux.MuxConn
	_ sync.Mutex
	net.Conn
	_ []byte
}

type base struct{ net.Conn }

type bufConn struct {
	base
	_ []byte
}

type pointerToBase struct {
	*base
}

// Conn is a connection type that others embed by value.
type Conn struct{ net.Conn }

func (c *Conn) Own() {}

type byValue struct{ Conn }

type incomparable struct {
	net.Conn
	_ []byte
}

func (w incomparable) NetConn() net.Conn { return w }

// ownSocket is a wrapper that answers for its socket itself.
type ownSocket struct{ net.Conn }

func (ownSocket) SyscallConn() (syscall.RawConn, error) { return nil, net.ErrClosed }

func TestATypeIsFoundUnderWrappers(t *testing.T) {
	t.Parallel()
	pipe, far := net.Pipe()
	defer pipe.Close()
	defer far.Close()
	inner := &marked{pipe}
	for name, test := range map[string]struct {
		conn net.Conn
		want bool
	}{
		"itself":                              {inner, true},
		"under two":                           {&wrapper{under: &wrapper{under: inner}}, true},
		"a Raw method":                        {&rawWrapper{conn: inner}, true},
		"under Raw and NetConn":               {&rawWrapper{conn: &wrapper{under: &rawWrapper{conn: inner}}}, true},
		"embedded":                            {struct{ net.Conn }{inner}, true},
		"embedded, a pointer":                 {&struct{ net.Conn }{inner}, true},
		"a SOCKS connection":                  {&socksConn{Conn: inner}, true},
		"a field that is not the first":       {&muxConn{Conn: inner}, true},
		"embedded by what is embedded":        {&bufConn{base: base{inner}}, true},
		"embedded by what a pointer leads to": {&pointerToBase{&base{inner}}, true},
		"embedded by value":                   {&byValue{Conn{inner}}, true},
		"embedded with a method of its own":   {struct{ *tls.Conn }{tls.Client(inner, nil)}, true},
		"all kinds at once":                   {tls.Server(&socksConn{Conn: &rawWrapper{conn: &muxConn{Conn: inner}}}, nil), true},
		"a NetConn method before a field":     {&wrapper{Conn: inner, under: pipe}, false},
		"nothing":                             {nil, false},
		"another type":                        {pipe, false},
		"nothing in a wrapper":                {&wrapper{}, false},
		"nothing in a Raw wrapper":            {&rawWrapper{}, false},
		"nothing embedded":                    {&socksConn{}, false},
		"nothing in a value":                  {socksConn{}, false},
		"nothing that embeds":                 {&pointerToBase{}, false},
		"nothing of a method's own":           {struct{ *tls.Conn }{}, false},
		"no wrapper":                          {(*wrapper)(nil), false},
		"no Raw wrapper":                      {(*rawWrapper)(nil), false},
		"no TLS connection":                   {(*tls.Conn)(nil), false},
		"no such connection":                  {(*net.TCPConn)(nil), false},
		"a wrapper of none":                   {&wrapper{under: (*wrapper)(nil)}, false},
		"a wrapper of itself":                 {circle(1), false},
		"a circle of three":                   {circle(3), false},
		"one that cannot be compared":         {incomparable{Conn: pipe}, false},
		"a socket of its own":                 {&net.TCPConn{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := Find[*marked](test.conn)
			if ok != test.want || ok && got != inner {
				t.Errorf("found %v, %v", got, ok)
			}
			Innermost(test.conn) // ends
		})
	}
}

func TestTheInnermostIsWhatTheLastWrapperReveals(t *testing.T) {
	t.Parallel()
	pipe, far := net.Pipe()
	defer pipe.Close()
	defer far.Close()
	for _, c := range []net.Conn{
		pipe,
		&wrapper{under: &wrapper{under: pipe}},
		tls.Client(&socksConn{Conn: &muxConn{Conn: struct{ net.Conn }{pipe}}}, nil),
	} {
		if got := Innermost(c); got != pipe {
			t.Errorf("of %T: %v", c, got)
		}
	}
	around := &muxConn{}
	around.Conn = struct{ net.Conn }{around}
	Innermost(around) // ends
}

// A method that a wrapper has only because it embeds does not hide the layer to
// which it belongs.
func TestAnEmbeddedLayerIsNotPassedOver(t *testing.T) {
	t.Parallel()
	inner := tls.Client(&wrapper{}, nil)
	for _, c := range []net.Conn{struct{ *tls.Conn }{inner}, &struct{ *tls.Conn }{inner}, &struct{ net.Conn }{struct{ *tls.Conn }{inner}}} {
		if got, ok := Find[*tls.Conn](c); !ok || got != inner {
			t.Errorf("under %T: %v", c, got)
		}
	}
}

func TestTheOutermostAnswersForWhatItWraps(t *testing.T) {
	t.Parallel()
	c := &ownSocket{&net.TCPConn{}}
	if got, ok := Find[syscall.Conn](&wrapper{under: c}); !ok || got != syscall.Conn(c) {
		t.Errorf("%T, %v", got, ok)
	}
}

func BenchmarkFind(b *testing.B) {
	type watched struct{ *net.TCPConn } // as hale.Conn
	plain := &watched{&net.TCPConn{}}
	for name, c := range map[string]net.Conn{
		"itself":      plain,
		"under TLS":   tls.Client(plain, nil),
		"under SOCKS": &socksConn{Conn: plain},
		"not":         &struct{ net.Conn }{tls.Client(&net.TCPConn{}, nil)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Find[*watched](c)
			}
		})
	}
}

func TestToFindCostsNoMemory(t *testing.T) {
	type watched struct{ *net.TCPConn }
	plain := &watched{&net.TCPConn{}}
	for name, c := range map[string]net.Conn{
		"itself":      plain,
		"under TLS":   tls.Client(plain, nil),
		"under SOCKS": tls.Client(&socksConn{Conn: plain}, nil),
		"not":         tls.Client(&net.TCPConn{}, nil),
	} {
		if n := testing.AllocsPerRun(100, func() { Find[*watched](c) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
