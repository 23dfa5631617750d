// Package rpchale shows net/rpc with hale's pool.
package rpchale

import (
	"context"
	"net"
	"net/rpc"

	"example.com/hale/internal/lab/service"
)

// Server starts a net/rpc server in this process, with the method Echo.Say.
func Server(context.Context) (*service.Server, error) {
	s := rpc.NewServer()
	if err := s.Register(Echo{}); err != nil {
		return nil, err
	}
	return service.Serve("net/rpc", func(conn net.Conn) { s.ServeConn(conn) }, nil)
}

// Echo is the service.
type Echo struct{}

// Say replies with the text.
func (Echo) Say(text string, reply *string) error {
	*reply = text
	return nil
}
