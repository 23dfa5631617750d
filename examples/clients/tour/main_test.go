package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial/trialtest"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// The program of docs/tour.md, which says what is to be seen.
func TestTheTourLeavesATrace(t *testing.T) {
	s := trialtest.Serve(t, service.Postgres)
	r, err := newRoad(unixSocket(t, s.Addr))
	if err != nil {
		t.Fatal(err)
	}
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(printer{}), sdktrace.WithSyncer(spans))
	page, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	freezeAfter, thawAfter = 2*time.Second, 5*time.Second
	ctx, stop := context.WithTimeout(t.Context(), 12*time.Second)
	defer stop()
	shown := make(chan string, 1)
	time.AfterFunc(freezeAfter+thawAfter-500*time.Millisecond, func() { shown <- look(page.Addr()) })
	if err := run(ctx, r, page, provider); err != nil {
		t.Fatal(err)
	}
	if text := <-shown; !strings.Contains(text, "orders: outage for ") || !strings.Contains(text, "_timeout, attempt ") {
		t.Errorf("while it lasted the page was\n%s", text)
	}
	r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, end := range r.ends {
		end.Close()
	}
	names := map[string]bool{}
	for _, span := range spans.GetSpans() {
		names[span.Name] = true
		for _, a := range span.Attributes {
			names[string(a.Key)+"="+a.Value.String()] = true
		}
	}
	// Of which connection the outage is told first is open: of an idle one, or of the busy one.
	if !names["hale.cause=send_timeout"] && !names["hale.cause=keepalive_timeout"] {
		t.Errorf("no silence among %v", names)
	}
	for _, want := range []string{"outage orders", "reconnect orders", "hale.outage.healed=true"} {
		if !names[want] {
			t.Errorf("no %s among %v", want, names)
		}
	}
}

// look is what curl shows of the page.
func look(at net.Addr) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Get("http://" + at.String() + "/debug/hale")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// unixSocket leads from a Unix socket, such as PostgreSQL has in a folder, to an address.
func unixSocket(t *testing.T, address string) (folder string) {
	folder, err := os.MkdirTemp("", "tour") // short, as the names of sockets have to be
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(folder, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(folder) })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go pass(near, address)
		}
	}()
	return folder
}

func pass(near net.Conn, address string) {
	defer near.Close()
	far, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer far.Close()
	go func() { _, _ = io.Copy(far, near); far.Close() }()
	_, _ = io.Copy(near, far)
}
