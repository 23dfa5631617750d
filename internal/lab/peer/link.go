// Package peer is a connection on this machine and what is at its far end, for
// programs that let something happen to that and watch a Read at the near end.
package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/wait"
)

// Greeting is the 4 bytes that a peer sends first.
const Greeting = "hale"

// A Link is one connection and what we hold of its far end: a socket of this
// process, or a process.
type Link struct {
	Client  net.Conn     // greeted already, and in a Read that waits for more
	Peer    *net.TCPConn // nil if it is in another process
	Process *Process     // nil if it is in this one

	calls sync.WaitGroup // the Read, and a Write that may block
	ended chan Outcome   // gets the Read's outcome
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Connect links to a peer in this process, or in p if there is one.
func Connect(ctx context.Context, dial dialFunc, p *Process) (*Link, error) {
	l := &Link{Process: p, ended: make(chan Outcome, 1)}
	err := l.dial(ctx, dial)
	if err == nil {
		_, err = io.ReadFull(l.Client, make([]byte, len(Greeting)))
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	l.calls.Go(l.read)
	return l, nil
}

func (l *Link) dial(ctx context.Context, dial dialFunc) (err error) {
	if l.Process != nil {
		l.Client, err = dial(ctx, "tcp", l.Process.Address)
		return err
	}
	listener, err := service.Listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	if l.Client, err = dial(ctx, "tcp", listener.Addr().String()); err != nil {
		return err
	}
	// The kernel has set the connection up already: this waits for nobody.
	if l.Peer, err = listener.AcceptTCP(); err != nil {
		return err
	}
	_, err = io.WriteString(l.Peer, Greeting)
	return err
}

func (l *Link) read() {
	b := make([]byte, 1)
	_, err := l.Client.Read(b)
	o := Outcome{At: time.Now()}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		o.Err = err
		_, o.Next = l.Client.Read(b)
	}
	l.ended <- o
}

// Fill writes until both socket buffers are full, and on, in the background: it
// ends by the connection's death, or by Close.
func (l *Link) Fill() {
	l.calls.Go(func() {
		b := make([]byte, 64<<10)
		for err := error(nil); err == nil; {
			_, err = l.Client.Write(b)
		}
	})
}

const (
	grown  = 8 << 20  // bytes after which socket buffers have grown
	slowly = 10 << 10 // bytes a second
	pieces = 100      // that those are read in
)

// ReadSlowly fills the link too, while the peer takes what comes until the
// buffers have grown, and then reads 10 KB/s for d.
func (l *Link) ReadSlowly(ctx context.Context, d time.Duration) error {
	l.Fill()
	if _, err := io.CopyN(io.Discard, l.Peer, grown); err != nil {
		return err
	}
	b := make([]byte, slowly/pieces)
	for end := time.Now().Add(d); time.Now().Before(end); {
		if _, err := io.ReadFull(l.Peer, b); err != nil {
			return err
		}
		if err := wait.Sleep(ctx, time.Second/pieces); err != nil {
			return err
		}
	}
	return nil
}

// Wait returns how the Read ended, counted from start. It ends it at the
// deadline, and when ctx is done.
func (l *Link) Wait(ctx context.Context, start, deadline time.Time) Outcome {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	defer EndReads(ctx, l.Client)()
	o := <-l.ended
	o.After = o.At.Sub(start)
	return o
}

// EndReads makes Reads of c fail once ctx is done.
func EndReads(ctx context.Context, c net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
}

// Close closes both sides and waits for the calls that are under way.
func (l *Link) Close() {
	if l.Client != nil {
		l.Client.Close()
	}
	l.calls.Wait()
	if l.Peer != nil {
		l.Peer.SetLinger(0) // a frozen socket that closes in good order lingers for minutes
		l.Peer.Close()
	}
}
