package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"

	"example.com/hale/health/healthtest"
)

// serverEnv marks the process that the peers live in: this program, started
// again.
const serverEnv = "CROWD_SERVER"

// listeners is how many addresses that process has; each is good for as many
// connections as there are ephemeral ports (28232 on Linux).
const listeners = 8

// A server is that process, seen from here.
type server struct {
	cmd   *exec.Cmd
	in    io.Writer
	out   *bufio.Reader
	addrs []string
	kill  func() // and wait; acts once
}

func startServer(ctx context.Context) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.CommandContext(ctx, self)}
	s.cmd.Env = append(os.Environ(), serverEnv+"=1")
	s.cmd.Stderr = os.Stderr
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.kill = sync.OnceFunc(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	s.in, s.out = stdin, bufio.NewReader(stdout)
	line, err := s.out.ReadString('\n')
	if s.addrs = strings.Fields(line); err != nil {
		s.kill()
		return nil, fmt.Errorf("the server did not come up: %w", err)
	}
	return s, nil
}

// ask has the server do something and waits until it has.
func (s *server) ask(what string) error {
	if _, err := fmt.Fprintln(s.in, what); err != nil {
		return err
	}
	answer, err := s.out.ReadString('\n')
	if answer = strings.TrimSpace(answer); err == nil && answer != "ok" {
		err = fmt.Errorf("the server: %s", answer)
	}
	return err
}

// serve is what that process does, until it is killed or its standard input
// ends, as it does when the other process ends.
func serve() error {
	accepted := make(chan net.Conn)
	var addrs []string
	for range listeners {
		config := net.ListenConfig{KeepAlive: -1}
		config.SetMultipathTCP(false)
		l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addrs = append(addrs, l.Addr().String())
		go accept(l, accepted)
	}
	fmt.Println(strings.Join(addrs, " "))
	return obey(accepted)
}

// accept has the kernel send RST for every connection when the process ends.
func accept(l net.Listener, accepted chan<- net.Conn) {
	for {
		c, err := l.Accept()
		if err == nil {
			err = c.(*net.TCPConn).SetLinger(0)
		}
		if err != nil {
			fmt.Println("accept:", err) // the answer to the next question
			return
		}
		accepted <- c
	}
}

func obey(accepted <-chan net.Conn) error {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	var conns []net.Conn
	wanted := 0
	for {
		select {
		case c := <-accepted:
			if conns = append(conns, c); len(conns) == wanted {
				fmt.Println("ok")
			}
		case line, ok := <-lines:
			if !ok {
				return nil
			}
			if _, err := fmt.Sscanf(line, "accepted %d", &wanted); err == nil {
				if len(conns) == wanted {
					fmt.Println("ok")
				}
				continue
			}
			fmt.Println(freeze(conns))
		}
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
