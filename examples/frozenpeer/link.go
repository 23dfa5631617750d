package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"example.com/hale/health"
)

// greeting is the 4 bytes that a server sends.
const greeting = "hale"

// A link is one connection and what we hold of its far end: a socket of this
// process, or a process.
type link struct {
	client net.Conn
	peer   *net.TCPConn
	child  *child

	calls sync.WaitGroup // the second Read, and a Write that may block
	ended chan outcome   // gets the second Read's outcome
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// listen leaves the peer without keepalive of its own, which would end a
// frozen connection by itself, and without Multipath TCP, which cannot be
// frozen.
func listen(ctx context.Context) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	return config.Listen(ctx, "tcp", "127.0.0.1:0")
}

// connect links to a peer in this process, or in the child if there is one.
func connect(ctx context.Context, dial dialFunc, c *child) (*link, error) {
	l := &link{child: c, ended: make(chan outcome, 1)}
	err := l.dial(ctx, dial)
	if err == nil {
		_, err = io.ReadFull(l.client, make([]byte, len(greeting)))
	}
	if err != nil {
		l.close()
		return nil, err
	}
	l.calls.Go(l.read)
	return l, nil
}

func (l *link) dial(ctx context.Context, dial dialFunc) (err error) {
	if l.child != nil {
		l.client, err = dial(ctx, "tcp", l.child.addr)
		return err
	}
	listener, err := listen(ctx)
	if err != nil {
		return err
	}
	defer listener.Close()
	if l.client, err = dial(ctx, "tcp", listener.Addr().String()); err != nil {
		return err
	}
	// The kernel has set the connection up already: this waits for nobody.
	peer, err := listener.Accept()
	if err != nil {
		return err
	}
	l.peer = peer.(*net.TCPConn)
	_, err = l.peer.Write([]byte(greeting))
	return err
}

// read blocks in the second Read.
func (l *link) read() {
	b := make([]byte, 1)
	_, err := l.client.Read(b)
	o := outcome{at: time.Now()}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		o.err = err
		_, o.next = l.client.Read(b)
	}
	l.ended <- o
}

// wait returns how the second Read ended, counted from start. It ends it at
// the deadline, and when ctx is done.
func (l *link) wait(ctx context.Context, start, deadline time.Time) outcome {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	defer endReads(ctx, l.client)()
	o := <-l.ended
	o.after = o.at.Sub(start)
	return o
}

// endReads makes Reads of c fail once ctx is done.
func endReads(ctx context.Context, c net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
}

// close closes both sides and waits for the calls that are under way.
func (l *link) close() {
	if l.client != nil {
		l.client.Close()
	}
	l.calls.Wait()
	if l.peer != nil {
		l.peer.SetLinger(0) // a frozen socket that closes in good order lingers for minutes
		l.peer.Close()
	}
}

// An outcome is how the second Read ended.
type outcome struct {
	at    time.Time
	after time.Duration // from what happened to the peer
	err   error         // nil if nothing was noticed until we stopped watching
	next  error         // of the Read after that
}

func (o outcome) noticed() bool { return o.err != nil }

// cause names why, and is empty if nothing was noticed.
func (o outcome) cause() string {
	if !o.noticed() {
		return ""
	}
	return health.Classify(o.err).String()
}

// timeout is what code sees that asks for the wrong thing.
func (o outcome) timeout() bool {
	ne, ok := errors.AsType[net.Error](o.err)
	return ok && ne.Timeout()
}
