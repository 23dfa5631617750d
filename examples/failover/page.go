package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"example.com/hale/pool"
	"example.com/hale/pool/debugpage"
)

// servePage serves the live page of a pool until stop is called.
func servePage(addr string, pools ...func() pool.Snapshot) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/hale", &debugpage.Page{Title: "failover", Pools: pools})
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

// showPage serves the page of hale's pool, if it was asked for, and says where.
func (o options) showPage(p *halePool) error {
	if o.page == "" {
		return nil
	}
	url, stop, err := servePage(o.page, p.Snapshot)
	if err != nil {
		return err
	}
	p.page, p.stopPage = url, stop
	fmt.Fprintln(os.Stderr, "the page of hale's pool is at", url)
	return nil
}
