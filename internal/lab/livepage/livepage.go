// Package livepage serves the live page for programs to read.
package livepage

import (
	"context"
	"net"
	"net/http"
	"time"

	"example.com/hale/health/healthtest"
	"example.com/hale/pool/debugpage"
)

// Listen listens at an address where a browser can be, for a program that isolates
// itself afterwards. There is no listener for an empty one.
func Listen(addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	return healthtest.ListenOutside("tcp", addr)
}

// Serve serves page, and returns where it is, until stop is called.
func Serve(l net.Listener, page *debugpage.Page) (url string, stop func()) {
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
	}
}
