// Package natshale shows nats.go over hale.
package natshale

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/hale/internal/lab/service"
)

// subject is the one that the server's echo answers on.
const subject = "echo"

// Server starts a NATS server in this process, and a service behind it that
// echoes requests.
//
// nats-server listens by Multipath TCP, which takes no socket filter, and has
// no option against it. So it does not listen, and is given what comes in on a
// listener of plain TCP.
func Server(context.Context) (_ *service.Server, err error) {
	s, err := server.NewServer(&server.Options{
		DontListen: true, NoSigs: true, NoLog: true,
		// Two seconds after a connection: a server that has vanished sends none.
		DisableShortFirstPing: true,
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	stop := func() { s.Shutdown(); s.WaitForShutdown() }
	defer func() {
		if err != nil {
			stop()
		}
	}()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("nats: server not ready after 10 s")
	}
	echoing, err := echo(s)
	if err != nil {
		return nil, err
	}
	return service.Serve("NATS", func(conn net.Conn) { relay(s, conn) }, func() error {
		echoing.Close()
		stop()
		return nil
	})
}

// echo is a service that is not reached by TCP, and so does not vanish.
func echo(s *server.Server) (*nats.Conn, error) {
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return nil, err
	}
	_, err = nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(m.Data) })
	if err == nil {
		err = nc.Flush() // the server knows of it now
	}
	if err != nil {
		nc.Close()
	}
	return nc, err
}

// relay gives conn to the server, and returns when it has ended.
func relay(s *server.Server, conn net.Conn) {
	inside, err := s.InProcessConn()
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(inside, conn)
		inside.Close()
	}()
	io.Copy(conn, inside)
	conn.Close()
	<-done
}
