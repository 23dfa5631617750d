// Package crowd is a server for many connections, in a process of its own, and
// what they cost this one.
package crowd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"example.com/hale/health/healthtest"
	"example.com/hale/internal/lab/child"
	"example.com/hale/internal/lab/service"
)

// role is that of the process that the peers live in.
const role = "crowd"

// listeners is how many addresses that process has; each is good for as many
// connections as there are ephemeral ports (28232 on Linux).
const listeners = 8

// Be makes this process the server, if it was started for that, see
// [child.Be].
func Be() { child.Be(role, serve) }

// A Server is that process, seen from here. Killed, its kernel sends RST for
// every connection.
type Server struct {
	*child.Process
	Addrs []string
}

// Start starts one, to be killed by the caller.
func Start(ctx context.Context) (*Server, error) {
	c, err := child.Start(ctx, role)
	if err != nil {
		return nil, err
	}
	line, err := c.Line()
	if err != nil {
		c.Kill()
		return nil, err
	}
	return &Server{Process: c, Addrs: strings.Fields(line)}, nil
}

// Accepted waits until the server has accepted n connections.
func (s *Server) Accepted(n int) error { return s.order(fmt.Sprint("accepted ", n)) }

// Freeze makes all peers fall silent.
func (s *Server) Freeze() error { return s.order("freeze") }

func (s *Server) order(what string) error {
	answer, err := s.Ask(what)
	if err == nil && answer != "ok" {
		err = errors.New("the server: " + answer)
	}
	return err
}

// serve is what that process does, until it is killed or its standard input
// ends, as it does when the other process ends.
func serve() error {
	accepted := make(chan net.Conn)
	var addrs []string
	for range listeners {
		l, err := service.Listen()
		if err != nil {
			return err
		}
		addrs = append(addrs, l.Addr().String())
		go accept(l, accepted)
	}
	fmt.Println(strings.Join(addrs, " "))
	obey(accepted)
	return nil
}

// accept has the kernel send RST for every connection when the process ends.
func accept(l *net.TCPListener, accepted chan<- net.Conn) {
	for {
		c, err := l.AcceptTCP()
		if err == nil {
			err = c.SetLinger(0)
		}
		if err != nil {
			fmt.Println("accept:", err) // the answer to the next question
			return
		}
		accepted <- c
	}
}

// obey does as it is told, and says "ok" when it is done.
func obey(accepted <-chan net.Conn) {
	lines := make(chan string)
	go read(lines)
	var conns []net.Conn
	wanted := -1
	for {
		select {
		case c := <-accepted:
			conns = append(conns, c)
		case line, ok := <-lines:
			if !ok {
				return
			}
			if _, err := fmt.Sscanf(line, "accepted %d", &wanted); err != nil {
				fmt.Println(freeze(conns))
			}
		}
		if len(conns) == wanted {
			fmt.Println("ok")
			wanted = -1
		}
	}
}

func read(lines chan<- string) {
	defer close(lines)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		lines <- in.Text()
	}
}

func freeze(conns []net.Conn) (answer string) {
	for _, c := range conns {
		if _, err := healthtest.Freeze(c); err != nil {
			return err.Error()
		}
	}
	return "ok"
}
