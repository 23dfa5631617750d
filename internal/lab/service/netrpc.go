package service

import (
	"context"
	"net"
	"net/rpc"
)

// NetRPC starts a net/rpc server in this process, with the method Echo.Say.
func NetRPC(context.Context) (*Server, error) {
	s := rpc.NewServer()
	if err := s.Register(Echo{}); err != nil {
		return nil, err
	}
	return Serve("net/rpc", func(conn net.Conn) { s.ServeConn(conn) }, nil)
}

// Echo is what [NetRPC] serves.
type Echo struct{}

// Say replies with the text.
func (Echo) Say(text string, reply *string) error {
	*reply = text
	return nil
}
