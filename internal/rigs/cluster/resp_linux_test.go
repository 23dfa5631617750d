package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// respConn speaks with a Redis or a Sentinel.
type respConn struct {
	conn net.Conn
	r    *bufio.Reader
}

func newResp(conn net.Conn) *respConn { return &respConn{conn, bufio.NewReader(conn)} }

func (c *respConn) Close() error { return c.conn.Close() }

// A refusal is an error that the server has replied with.
type refusal string

func (r refusal) Error() string { return string(r) }

// do sends a command and reads the reply: a string, an int, a []any or nil.
func (c *respConn) do(ctx context.Context, command ...string) (any, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	return c.until(ctx, func() (any, error) {
		if _, err := io.WriteString(c.conn, text.String()); err != nil {
			return nil, err
		}
		return c.read()
	})
}

// next waits for what is sent unasked.
func (c *respConn) next(ctx context.Context) (any, error) {
	return c.until(ctx, c.read)
}

// until ends what f does on the connection when ctx ends. It is an error then even if f
// was quicker, since the deadline stays.
func (c *respConn) until(ctx context.Context, f func() (any, error)) (any, error) {
	passed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(passed)
		_ = c.conn.SetDeadline(time.Unix(1, 0))
	})
	reply, err := f()
	if !stop() {
		<-passed
		return nil, errors.Join(ctx.Err(), err)
	}
	return reply, err
}

func (c *respConn) read() (any, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], strings.TrimSuffix(line[1:], "\r\n")
	if kind == '+' {
		return rest, nil
	}
	if kind == '-' {
		return nil, refusal(rest)
	}
	n, err := strconv.Atoi(rest)
	if err != nil || kind == ':' {
		return n, err
	}
	if n < 0 {
		return nil, nil
	}
	switch kind {
	case '$':
		text := make([]byte, n+len("\r\n"))
		if _, err := io.ReadFull(c.r, text); err != nil {
			return nil, err
		}
		return string(text[:n]), nil
	case '*':
		all := make([]any, n)
		for i := range all {
			if all[i], err = c.read(); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("reply %q", line)
}
