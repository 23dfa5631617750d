package hale_test

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"

	"example.com/hale"
)

// splice joins two connections until both directions have ended.
func splice(a, b *hale.Conn) error {
	defer a.Close()
	defer b.Close()
	done := make(chan error, 2)
	one := func(to, from *hale.Conn) {
		_, err := io.Copy(to, from) // splice(2) on Linux
		if err == nil {
			err = to.CloseWrite() // an orderly end: hand it on, and let the other direction go on
		} else {
			a.Close() // a death: nothing more will come of it
			b.Close()
		}
		done <- err
	}
	go one(a, b)
	go one(b, a)
	return cmp.Or(<-done, <-done)
}

// A proxy is two copies, each of which hands the end of its direction on.
func ExampleConn_proxy() {
	l, err := hale.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		near, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		far, err := hale.Dial("tcp", greeter())
		if err != nil {
			log.Fatal(err)
		}
		done <- splice(near.(*hale.Conn), far.(*hale.Conn))
	}()

	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(client) // to the end that the server's close makes
	fmt.Println(string(text), err)
	client.Close()
	fmt.Println("proxy:", <-done)
	// Output:
	// hello <nil>
	// proxy: <nil>
}

// From finds the connection that lies under TLS, here of an HTTP transport.
func ExampleFrom() {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	client := server.Client()
	client.Transport.(*http.Transport).DialContext = new(hale.Dialer).DialContext

	request, err := http.NewRequest(http.MethodGet, server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		hc, ok := hale.From(info.Conn)
		fmt.Printf("%T, %t, %v\n", info.Conn, ok, hc.State())
	}}
	response, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	client.CloseIdleConnections()
	// Output: *tls.Conn, true, alive
}
