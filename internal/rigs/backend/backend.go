// Package backend runs programs that receive telemetry, for tests that ask
// them what has arrived: Jaeger, which is built from its Go module (see
// [BuildJaeger]), and Debian's Prometheus.
//
// Each has ports of its own on loopback, keeps what it receives in memory or
// in the test's temporary folder, and ends with the test.
package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"
)

// patience is how long a program may take to start, and to answer.
const patience = 30 * time.Second

// client leaves no connection behind.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// FreeAddrs returns n addresses, host:port, where nothing listens. The host is
// a loopback address of this process's own (Linux has sixteen million of
// them), so that nobody else takes a port in the meantime.
func FreeAddrs(t testing.TB, n int) []string {
	t.Helper()
	pid := os.Getpid() // 22 bits at most, proc_pid(5)
	host := net.IPv4(127, byte(64|pid>>16), byte(pid>>8), byte(pid)).String()
	addrs := make([]string, n)
	for i := range addrs {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs[i] = l.Addr().String()
	}
	return addrs
}

// get asks for a page and reads its JSON into answer. A status other than 200
// is an error with the page in it.
func get(ctx context.Context, address, path string, query url.Values, answer any) error {
	u := url.URL{Scheme: "http", Host: address, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &statusError{resp.StatusCode, fmt.Sprintf("%s: %s: %s", &u, resp.Status, body)}
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(body, answer)
}

// statusError is an answer other than 200.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }
