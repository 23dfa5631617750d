package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// A Service is a server program, and how it is started and ended.
type Service struct {
	Program Program

	// Prepare fills the folder before the program starts; nil leaves it empty.
	Prepare func(ctx context.Context, h Home) error

	// Args are the program's arguments. It has to listen on host and port, and
	// on TCP ports nowhere else.
	Args func(h Home, host, port string) []string

	// Ready returns nil once the server at address does its work. Nil waits
	// until it can be dialled.
	Ready func(ctx context.Context, address string) error

	// Stop is the signal that ends the program at once; nil is SIGTERM. It
	// need not save anything.
	Stop os.Signal
}

const (
	patience = time.Minute           // with a program that starts or prepares
	grace    = 5 * time.Second       // for a program that was asked to end
	pause    = 20 * time.Millisecond // between two looks whether it is ready
	attempts = 3                     // to start where nobody takes the port meanwhile
	looks    = 1000                  // for a port that no server had before
)

// Start starts the service on a free port of loopback, with a folder of its
// own, and returns when it is ready. ctx bounds the start, and so does a
// minute. The program does not survive this process. The error matches
// [ErrAbsent] if it is not installed, and has the end of the program's output
// if it does not come up.
func (s Service) Start(ctx context.Context) (*Server, error) {
	path, err := s.Program.find()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	server, err := s.launch(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("service: %s: %w", s.Program.Name, err)
	}
	return server, nil
}

// launch makes the folder and starts the program that is at path.
func (s Service) launch(ctx context.Context, path string) (server *Server, err error) {
	home, err := newHome(s.Program.Name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, home.remove())
		}
	}()
	if s.Prepare != nil {
		if err := s.Prepare(ctx, home); err != nil {
			return nil, err
		}
	}
	address, p, err := s.listen(ctx, home, path)
	if err != nil {
		return nil, err
	}
	stop := func() error {
		if server.killed.Load() {
			<-p.done
			return home.remove()
		}
		return errors.Join(p.stop(s.Stop), home.remove())
	}
	return newServer(s.Program.Name, address, p.cmd.Process.Pid, stop)
}

// listen starts the program on a port that is free, and waits until it is ready.
func (s Service) listen(ctx context.Context, h Home, path string) (address string, p *process, err error) {
	for range attempts {
		if address, err = freeAddress(); err != nil {
			return "", nil, err
		}
		host, port, _ := net.SplitHostPort(address)
		if p, err = h.start(path, s.Args(h, host, port)...); err != nil {
			return "", nil, err
		}
		if err = s.await(ctx, p, address); err == nil {
			return address, p, nil
		}
		err = errors.Join(err, p.kill(), ctx.Err())
		if ctx.Err() != nil {
			break // it has been given its time
		}
	}
	return "", nil, fmt.Errorf("%w\n%s", err, p.tail())
}

// await returns nil when the program is ready, and an error if it ends before
// or ctx does.
func (s Service) await(ctx context.Context, p *process, address string) error {
	ready := s.Ready
	if ready == nil {
		ready = dialled
	}
	for {
		err := ready(ctx, address)
		if err == nil && p.running() {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("ended: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		case <-time.After(pause):
		}
	}
}

func dialled(ctx context.Context, address string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// handedOut are the addresses that this process's servers have had. A program
// opens its port later than it is found free, and one that comes too late would
// be taken for ready while another server answers in its place.
var handedOut sync.Map

// freeAddress is an address where nothing listens, another one each time. Its
// host is a loopback address of this process's own, so that no other process's
// tests take the port in the meantime.
func freeAddress() (string, error) {
	pid := os.Getpid() // 22 bits at most, proc_pid(5)
	host := net.IPv4(127, byte(64|pid>>16), byte(pid>>8), byte(pid)).String()
	for range looks {
		l, err := net.Listen("tcp4", net.JoinHostPort(host, "0"))
		if err != nil {
			return "", err
		}
		address := l.Addr().String()
		_, had := handedOut.LoadOrStore(address, nil)
		if err := l.Close(); err != nil || !had {
			return address, err
		}
	}
	return "", errors.New("no free port")
}
