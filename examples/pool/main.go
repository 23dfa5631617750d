// Pool asks a server questions over pooled connections. The server hangs up
// after each answer, as one does that is restarted, and no question fails.
//
//	go run ./examples/pool
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/textproto"
	"os"

	"example.com/hale"
	"example.com/hale/pool"
)

func main() {
	s := startServer()
	defer s.close()
	if err := askAll(os.Stdout, s, "who", "when", "why"); err != nil {
		log.Fatal(err)
	}
}

func askAll(out io.Writer, s *server, questions ...string) error {
	clients, err := pool.New(pool.Config[*textproto.Conn]{
		MaxConns: 4,
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(hale.Dialer).DialContext(ctx, "tcp", s.addr())
		},
		Open: func(_ context.Context, conn net.Conn) (*textproto.Conn, error) {
			return textproto.NewConn(conn), nil // and log in, if the protocol wants it
		},
	})
	if err != nil {
		return err
	}
	defer clients.Close()
	// To ask twice does no harm here, which Do may know. Without that word, it
	// asks again only if nothing of the question can have left.
	ctx := pool.Idempotent(context.Background())
	for _, question := range questions {
		err := clients.Do(ctx, func(_ context.Context, c *textproto.Conn) error {
			if err := c.PrintfLine("%s", question); err != nil {
				return err
			}
			answer, err := c.ReadLine()
			if err == nil {
				fmt.Fprintln(out, answer)
			}
			return err
		})
		if err != nil {
			return err
		}
		s.hangUp()
	}
	fmt.Fprintln(out, "connections dialled:", clients.Stats().Dials)
	return nil
}
