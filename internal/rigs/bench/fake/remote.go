package fake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"example.com/hale/internal/lab/child"
)

// role is that of the process that [Be] is for.
const role = "bench-server"

// protocols are what a [Remote] may speak.
var protocols = map[string]func(net.Conn){"silent": Silent, "echo": Echo, "redis": Redis, "postgres": Postgres, "http": HTTP}

// Be makes this process a server, if it was started for that, see [child.Be].
func Be() { child.Be(role, obey) }

// A Remote is a [Server] in a process of its own, so that its connections cost this
// one nothing.
type Remote struct {
	*child.Process
	Addrs []string
}

// StartRemote starts a server that speaks a protocol on so many addresses of
// loopback, 127.0.0.1 and those after it; to be killed by the caller.
func StartRemote(ctx context.Context, protocol string, addresses int) (*Remote, error) {
	c, err := child.Start(ctx, role)
	if err != nil {
		return nil, err
	}
	line, err := c.Ask(fmt.Sprint(protocol, " ", addresses))
	if err == nil && !strings.Contains(line, ":") {
		err = errors.New("the server: " + line)
	}
	if err != nil {
		c.Kill()
		return nil, err
	}
	return &Remote{c, strings.Fields(line)}, nil
}

// Accepted waits until so many connections are open on the server's side.
func (r *Remote) Accepted(n int) error {
	answer, err := r.Ask(fmt.Sprint("accepted ", n))
	if err == nil && answer != "ok" {
		err = errors.New("the server: " + answer)
	}
	return err
}

// Reset has the server's kernel end every connection by RST. It returns when that
// was, by the [Key] of the connection.
func (r *Remote) Reset() (map[string]time.Time, error) {
	answer, err := r.Ask("reset")
	if err != nil {
		return nil, err
	}
	at := map[string]time.Time{}
	for _, word := range strings.Fields(answer) {
		key, ns, found := strings.Cut(word, "=")
		n, err := strconv.ParseInt(ns, 10, 64)
		if !found || err != nil {
			return nil, errors.New("the server: " + word)
		}
		at[key] = time.Unix(0, n)
	}
	return at, nil
}

// Key names a connection on both sides of it: the address of the one that has
// dialled, and that of the other.
func Key(dialled, accepted net.Addr) string { return dialled.String() + ">" + accepted.String() }

// obey is what that process does, until it is killed or its standard input ends.
func obey() error {
	in := bufio.NewScanner(os.Stdin)
	if !in.Scan() {
		return in.Err()
	}
	var protocol string
	var addresses int
	if _, err := fmt.Sscan(in.Text(), &protocol, &addresses); err != nil {
		return err
	}
	s, addrs, err := several(protocols[protocol], addresses)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(addrs, " "))
	for in.Scan() {
		var n int
		switch _, err := fmt.Sscanf(in.Text(), "accepted %d", &n); {
		case err == nil:
			answer := "ok"
			if err := s.AwaitOpen(n); err != nil {
				answer = err.Error()
			}
			fmt.Println(answer)
		case in.Text() == "reset":
			fmt.Println(s.reset())
		}
	}
	return in.Err()
}

// several is a server on some addresses.
func several(speak func(net.Conn), addresses int) (s *Server, addrs []string, err error) {
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	for i := range addresses {
		l, err := config.Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.%d:0", i+1))
		if err != nil {
			return nil, nil, err
		}
		if s == nil {
			s = Around(l)
			s.speak = speak
		}
		addrs = append(addrs, l.Addr().String())
		go s.Accept(l)
	}
	return s, addrs, nil
}

// AwaitOpen waits until the server has n connections, which it knows of later than
// those who dial; the error says how many there are after a while.
func (s *Server) AwaitOpen(n int) error {
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		open := len(s.open)
		s.mu.Unlock()
		switch {
		case open == n:
			return nil
		case time.Since(start) > 20*time.Second:
			return fmt.Errorf("%d connections are open, not %d", open, n)
		}
	}
}

// reset ends all connections by RST, and says when, for each.
func (s *Server) reset() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for c := range s.open {
		key := Key(c.RemoteAddr(), c.LocalAddr())
		_ = c.(*net.TCPConn).SetLinger(0)
		fmt.Fprintf(&b, "%s=%d ", key, time.Now().UnixNano())
		c.Close()
	}
	return b.String()
}
