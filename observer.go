package hale

import (
	"context"
	"net"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/hooks"
	"example.com/hale/sockopt"
)

// An Observer is told what happens to connections. Every field may be nil, and
// so may the Observer.
//
// The hooks of one connection are called one after another: within the call that met
// the event, or, for what the watch has seen and what comes while another hook runs,
// on one of a few goroutines that do nothing else. A hook may make any call, of any
// connection. One that blocks holds up what is told of its own connection; the watch
// and other connections go on, unless a thousand block. A hook has no say in what happens.
// A panic in one is not recovered; a program that does so, around the call that met the
// event, finds the connection as it should be, or closed if the call was to return it.
// Those of different connections run concurrently.
type Observer struct {
	// DialStart is called before anything else happens. The context that it
	// returns is the one that DialDone gets and that the dial runs under; to
	// add nothing, return ctx (or nil).
	DialStart func(ctx context.Context, info DialStartInfo) context.Context
	// DialDone is called once for every DialStart.
	DialDone func(ctx context.Context, info DialDoneInfo)
	// Accepted is called once for every TCP connection that a listener accepts, on
	// the goroutine that called Accept, before that returns. A connection that
	// has died already may have been told of as Dead before.
	Accepted func(AcceptedInfo)
	// Suspect is called when the peer has left something unanswered: two keepalive
	// probes (one, if KeepAlive has numbers in place of a Within), or data that was
	// sent three times. Recovered or Dead follows, unless the connection is closed
	// first. Only Linux and Android tell this.
	Suspect func(SuspectInfo)
	// Recovered is called when a suspect peer has answered after all.
	Recovered func(RecoveredInfo)
	// Sampled is called with what the watch has seen of a living connection, whenever
	// it looks: about as often as keepalive asks, at least once a minute, and several
	// times a second while something is unanswered. It costs no system call, but a turn of a
	// goroutine for each look, about 2 µs; what comes while the hook runs is left out.
	// Only Linux and Android tell this.
	Sampled func(SampledInfo)
	// Dead is called exactly once for a connection that dies before it is
	// closed, whether the watch or a call noticed it.
	Dead func(DeadInfo)
	// Closed is called exactly once, when Close is called for the first time:
	// before Close returns, unless another hook of the connection is running.
	Closed func(ClosedInfo)
	// Dropped is called once for a connection that was collected as garbage
	// without a Close, within a minute; neither Dead nor Closed follows.
	Dropped func(DroppedInfo)
}

// DialStartInfo is what a dial is about to do.
type DialStartInfo struct {
	Network, Address string
	KeepAlive        sockopt.KeepAlive // as asked for; what a zero one means in its place
}

// DialDoneInfo is how a dial ended.
type DialDoneInfo struct {
	Network, Address string
	Duration         time.Duration
	Conn             *Conn // nil if the dial failed, or the network is not TCP
	Err              error // nil if it did not fail
}

// AcceptedInfo is a connection that a listener has accepted.
type AcceptedInfo struct {
	Conn       *Conn // nil if the listener is Strict and has closed it for Err
	RemoteAddr net.Addr
	// Err is a *net.OpError that says which options the operating system refused
	// or does not have, or that the connection is not watched; nil if it is what
	// KeepAlive asks for.
	Err error
}

// SuspectInfo is a peer that may be gone.
type SuspectInfo struct {
	Conn *Conn
	Info health.Info // at that moment
}

// RecoveredInfo is a peer that has answered after all.
type RecoveredInfo struct {
	Conn *Conn
	Info health.Info // at that moment
}

// SampledInfo is what one look of the watch has shown.
type SampledInfo struct {
	Conn *Conn
	// Info has no UserTimeout, and an Unacked that is worked out from the counts of
	// bytes, which may be one too many.
	Info health.Info
	// What was sent, retransmissions included, retransmitted and acknowledged since the
	// sample before, or, in the first one, since the connection began: bytes.
	Sent, Retransmitted, Acked uint64
}

// DeadInfo is a connection's death.
type DeadInfo struct {
	Conn *Conn
	Err  *health.DeadError
}

// ClosedInfo is the end of a connection's use.
type ClosedInfo struct {
	Conn *Conn
	Err  *health.DeadError // why it had died before, or nil
	Open time.Duration     // from the end of the handshake until now
}

// DroppedInfo is a connection that was collected as garbage without a Close.
type DroppedInfo struct {
	RemoteAddr net.Addr
	Open       time.Duration // from the end of the handshake until it was found
}

// noHooks stands for a nil Observer.
var noHooks Observer

func (o *Observer) set() *Observer {
	if o == nil {
		return &noHooks
	}
	return o
}

func (o *Observer) dialStart(ctx context.Context, info DialStartInfo) context.Context {
	return hooks.Thread(ctx, o.set().DialStart, info)
}

func (o *Observer) dialDone(ctx context.Context, info DialDoneInfo) {
	hooks.CallWithContext(ctx, o.set().DialDone, info)
}

func (o *Observer) accepted(info AcceptedInfo)   { hooks.Call(o.set().Accepted, info) }
func (o *Observer) suspect(info SuspectInfo)     { hooks.Call(o.set().Suspect, info) }
func (o *Observer) recovered(info RecoveredInfo) { hooks.Call(o.set().Recovered, info) }
func (o *Observer) sampled(info SampledInfo)     { hooks.Call(o.set().Sampled, info) }
func (o *Observer) dead(info DeadInfo)           { hooks.Call(o.set().Dead, info) }
func (o *Observer) closed(info ClosedInfo)       { hooks.Call(o.set().Closed, info) }
