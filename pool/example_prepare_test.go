package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"

	"example.com/hale/pool"
)

// session is a connection with state at the server.
type session struct {
	net.Conn
	tenant string
	open   bool // a transaction
}

// Every caller gets a session of his own tenant, and none that was left in a
// transaction.
func ExampleConfig_sessions() {
	type tenant struct{}
	dial, stop := endpoint(0)
	defer stop()
	p, err := pool.New(pool.Config[*session]{
		Dial: dial,
		Open: func(_ context.Context, c net.Conn) (*session, error) { return &session{Conn: c}, nil },
		PrepareAcquire: func(ctx context.Context, s *session) error {
			name, ok := ctx.Value(tenant{}).(string)
			if !ok {
				return errors.New("no tenant")
			}
			s.tenant = name // or tell the server, within ctx
			return nil
		},
		AfterRelease: func(s *session) bool { return !s.open }, // or else Reset
		Reset: func(_ context.Context, s *session) error {
			fmt.Println("rolled back")
			s.open = false // by a request to the server, within ctx
			return nil
		},
		MaxConns: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	for _, name := range []string{"red", "blue"} {
		err := p.Do(context.WithValue(context.Background(), tenant{}, name), func(_ context.Context, s *session) error {
			fmt.Println(s.tenant, s.open)
			s.open = name == "red"
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// red false
	// rolled back
	// blue false
}
