// Package livepage serves the live page for programs to read.
package livepage

import (
	"context"
	"net"
	"net/http"
	"time"

	"example.com/hale/pool/debugpage"
)

// Serve serves page at addr, a host and a port, and returns where it is, until stop is
// called.
func Serve(addr string, page *debugpage.Page) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/hale", page)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // until it is shut down
	}()
	return "http://" + l.Addr().String() + "/debug/hale", func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil { // which ends the streams
			server.Close()
		}
		<-done
	}, nil
}
