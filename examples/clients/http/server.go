// Package httphale shows net/http over hale: HTTP/1.1, HTTP/2, TLS, and
// WebSockets.
package httphale

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"example.com/hale/internal/lab/service"
)

// certificate is the server's, new in every process.
var certificate = sync.OnceValues(service.Certificate)

// trusting is a client's configuration that trusts the server's certificate
// and no other.
func trusting() (*tls.Config, error) {
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return &tls.Config{RootCAs: roots}, nil
}

// Server starts an HTTPS server in this process, for HTTP/1.1 and HTTP/2. It
// answers / with "ok", and echoes messages on a WebSocket at /ws.
func Server(context.Context) (*service.Server, error) {
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	l, err := service.Listen()
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	s := &server{}
	s.Server = http.Server{
		Handler:     s.routes(),
		TLSConfig:   &tls.Config{Certificates: []tls.Certificate{cert}},
		BaseContext: func(net.Listener) context.Context { return life },
		ErrorLog:    log.New(io.Discard, "", 0), // handshakes that clients give up
	}
	served := make(chan error, 1)
	go func() { served <- s.ServeTLS(l, "", "") }()
	return service.NewLocal("HTTP", l, func() error {
		end() // for WebSockets, which Close leaves alone
		err := s.Close()
		s.sockets.Wait()
		if served := <-served; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	})
}

type server struct {
	http.Server
	sockets sync.WaitGroup // handlers of WebSockets that run
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("/ws", s.echo)
	return mux
}

func (s *server) echo(w http.ResponseWriter, r *http.Request) {
	s.sockets.Add(1)
	defer s.sockets.Done()
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the client has been told
	}
	defer ws.CloseNow()
	for {
		kind, message, err := ws.Read(r.Context())
		if err == nil {
			err = ws.Write(r.Context(), kind, message)
		}
		if err != nil {
			return
		}
	}
}
