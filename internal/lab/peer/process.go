package peer

import (
	"context"
	"fmt"
	"io"

	"example.com/hale/internal/lab/child"
	"example.com/hale/internal/lab/service"
)

// role is that of a process which is a peer.
const role = "peer"

// Be makes this process a peer, if it was started for that, see [child.Be].
func Be() { child.Be(role, serve) }

// serve says where it listens, greets everybody and sends back what it gets,
// until the process is killed.
func serve() error {
	l, err := service.Listen()
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(c, Greeting); err != nil {
			return err
		}
		go io.Copy(c, c)
	}
}

// A Process is a peer in a process of its own, which listens at Address.
type Process struct {
	*child.Process
	Address string
}

// Start starts one, to be killed by the caller.
func Start(ctx context.Context) (*Process, error) {
	c, err := child.Start(ctx, role)
	if err != nil {
		return nil, err
	}
	p := &Process{Process: c}
	if p.Address, err = c.Line(); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}
