package sshhale

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial"
)

// maxConns is enough for the workers of a trial.
const maxConns = 4

// Clients are the clients of the server that Server starts.
func Clients() []trial.Client {
	return []trial.Client{{Name: "hale/pool, x/crypto/ssh", Open: open}}
}

func open(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	p, err := NewPool(address, clientConfig, dial, maxConns)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error {
			out, err := Output(ctx, p, "echo")
			if err == nil && string(out) != "echo" {
				return fmt.Errorf("ssh: echo printed %q", out)
			}
			return err
		},
		Close: func() error { p.Close(); return nil },
	}, nil
}

// clientConfig trusts whatever answers on loopback.
var clientConfig = &ssh.ClientConfig{User: "hale", HostKeyCallback: ssh.InsecureIgnoreHostKey()}

// Server starts an SSH server in this process that lets anybody in, and on which every
// command prints its own name.
func Server(context.Context) (*service.Server, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, err
	}
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	return service.Serve("ssh", func(conn net.Conn) { serve(conn, config) }, nil)
}

func serve(conn net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if channel, requests, err := offered.Accept(); err == nil {
			go run(channel, requests)
		}
	}
}

// run serves a session: one command.
func run(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for r := range requests {
		var exec struct{ Command string }
		if r.Type != "exec" || ssh.Unmarshal(r.Payload, &exec) != nil {
			_ = r.Reply(false, nil)
			continue
		}
		_ = r.Reply(true, nil)
		_, _ = channel.Write([]byte(exec.Command))
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{}))
		return
	}
}
