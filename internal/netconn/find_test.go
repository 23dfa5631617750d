package netconn

import (
	"crypto/tls"
	"io"
	"net"
	"reflect"
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

// itself is a wrapper that names itself.
func itself(embedded net.Conn) net.Conn {
	w := &wrapper{Conn: embedded}
	w.under = w
	return w
}

// sameAgain is as itself, by value.
type sameAgain struct{ net.Conn }

func (w sameAgain) NetConn() net.Conn { return w }

// panics is a wrapper whose method does.
type panics struct{ net.Conn }

func (*panics) Raw() net.Conn { panic("no, not now") }

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

// Stream and Revealing are interfaces that are embedded by another name than Conn.
type Stream interface{ net.Conn }

type Revealing interface {
	net.Conn
	NetConn() net.Conn
}

type hidden = net.Conn

// Endless embeds itself.
type Endless struct {
	*Endless
	endlessToo
}

type endlessToo struct{ *Endless }

// closedTwice is no connection itself: it has Close from two.
type closedTwice struct {
	net.Conn
	io.Closer
}

type closesItself struct{ closedTwice }

func (closesItself) Close() error { panic("called") }

// revealer has a NetConn method of its own, and what embeds it has it too.
type revealer struct{ net.Conn }

func (r *revealer) NetConn() net.Conn { return r.Conn }

type pointerToRevealer struct{ *revealer }

// twoStreams embeds two connections, so that no method of theirs is its own.
type twoStreams struct {
	Stream
	net.Conn
}

// namedAlike has a field of the name by which what it embeds has the connection.
type namedAlike struct {
	base
	Conn string
}

// named is as namedAlike, and the name is ambiguous.
type named struct {
	base
	label
}

type label struct{ Conn string }

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
		"itself":                               {inner, true},
		"under two":                            {&wrapper{under: &wrapper{under: inner}}, true},
		"a Raw method":                         {&rawWrapper{conn: inner}, true},
		"under Raw and NetConn":                {&rawWrapper{conn: &wrapper{under: &rawWrapper{conn: inner}}}, true},
		"embedded":                             {struct{ net.Conn }{inner}, true},
		"embedded, a pointer":                  {&struct{ net.Conn }{inner}, true},
		"a SOCKS connection":                   {&socksConn{Conn: inner}, true},
		"a field that is not the first":        {&muxConn{Conn: inner}, true},
		"embedded by what is embedded":         {&bufConn{base: base{inner}}, true},
		"embedded by what a pointer leads to":  {&pointerToBase{&base{inner}}, true},
		"embedded by value":                    {&byValue{Conn{inner}}, true},
		"embedded with a method of its own":    {struct{ *tls.Conn }{tls.Client(inner, nil)}, true},
		"embedded by another name":             {struct{ Stream }{inner}, true},
		"embedded twice by another name":       {&struct{ Stream }{struct{ Stream }{inner}}, true},
		"embedded by what reveals":             {struct{ Revealing }{&wrapper{under: inner}}, true},
		"what embeds is no connection":         {closesItself{closedTwice{Conn: inner}}, true},
		"hidden by a field of that name":       {&namedAlike{base: base{inner}}, true},
		"a name that two have":                 {&named{base: base{inner}}, true},
		"a revealing method behind a pointer":  {pointerToRevealer{&revealer{inner}}, true},
		"embedded by a name not exported":      {struct{ hidden }{inner}, false},
		"nothing of another name":              {struct{ Stream }{}, false},
		"nothing that reveals":                 {struct{ Revealing }{}, false},
		"a revealing method behind no pointer": {pointerToRevealer{}, false},
		"all kinds at once":                    {tls.Server(&socksConn{Conn: &rawWrapper{conn: &muxConn{Conn: inner}}}, nil), true},
		"a NetConn method before a field":      {&wrapper{Conn: inner, under: pipe}, false},
		"nothing":                              {nil, false},
		"another type":                         {pipe, false},
		"nothing in a wrapper":                 {&wrapper{}, false},
		"nothing in a Raw wrapper":             {&rawWrapper{}, false},
		"nothing embedded":                     {&socksConn{}, false},
		"nothing in a value":                   {socksConn{}, false},
		"nothing that embeds":                  {&pointerToBase{}, false},
		"nothing of a method's own":            {struct{ *tls.Conn }{}, false},
		"no wrapper":                           {(*wrapper)(nil), false},
		"no Raw wrapper":                       {(*rawWrapper)(nil), false},
		"no TLS connection":                    {(*tls.Conn)(nil), false},
		"no such connection":                   {(*net.TCPConn)(nil), false},
		"a wrapper of none":                    {&wrapper{under: (*wrapper)(nil)}, false},
		"a wrapper of itself":                  {circle(1), false},
		"a wrapper of itself that embeds":      {itself(inner), true},
		"a value that wraps itself":            {sameAgain{inner}, true},
		"one that embeds such a one":           {struct{ Revealing }{sameAgain{inner}}, true},
		"a method that panics":                 {&panics{}, false},
		"a method that panics, and embeds":     {&panics{inner}, true},
		"a circle of three":                    {circle(3), false},
		"one that cannot be compared":          {incomparable{Conn: pipe}, false},
		"a socket of its own":                  {&net.TCPConn{}, false},
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

// The connection of a named field is not looked for, nor one of two, nor one without
// end; and the well-known types need no look.
func TestATypeThatEmbedsNoConnectionOrTwoHasNone(t *testing.T) {
	t.Parallel()
	for _, c := range []any{
		Endless{}, &endlessToo{}, twoStreams{}, &twoStreams{}, struct{ twoStreams }{}, struct{ hidden }{},
		struct{ Conn net.Conn }{}, &tls.Conn{}, struct{ io.Reader }{}, new(int), func() {},
	} {
		if e := findEmbedding(reflect.TypeOf(c)); e != nil {
			t.Errorf("%T: %v", c, e.path)
		}
	}
}

// What embeds a type of package net has a field of that name.
func TestASocketIsFoundWhereItsTypeIsEmbedded(t *testing.T) {
	t.Parallel()
	tcp, udp, unix := new(net.TCPConn), new(net.UDPConn), new(net.UnixConn)
	byValue := new(struct{ net.TCPConn })
	for _, test := range []struct{ wrapped, want net.Conn }{
		{struct{ *net.TCPConn }{tcp}, tcp},
		{&struct{ *net.TCPConn }{tcp}, tcp},
		{&struct{ *net.UDPConn }{udp}, udp},
		{&struct{ *net.UnixConn }{unix}, unix},
		{byValue, &byValue.TCPConn},
		{struct{ Stream }{struct{ *net.TCPConn }{tcp}}, tcp},
		{tls.Client(struct{ *net.TCPConn }{tcp}, nil), tcp},
	} {
		if got := Innermost(test.wrapped); got != test.want {
			t.Errorf("of %T: %T", test.wrapped, got)
		}
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

// conn is as hale.Conn.
type conn struct{ *net.TCPConn }

func (c *conn) NetConn() net.Conn { return c.TCPConn }

func BenchmarkFind(b *testing.B) {
	type watched struct{ *net.TCPConn } // as hale.Conn
	plain := &watched{&net.TCPConn{}}
	for name, c := range map[string]net.Conn{
		"itself":      plain,
		"under TLS":   tls.Client(plain, nil),
		"under SOCKS": &socksConn{Conn: plain},
		"under hale":  tls.Client(&conn{TCPConn: plain.TCPConn}, nil),
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
