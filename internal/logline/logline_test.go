package logline

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"testing"
	"time"
)

func TestALineIsWords(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	line := Line{}.Text("hale.cause", "reset").Text("none", "").Text("text", "two words").
		Int("n", 0).ID("id", 7).ID("none", 0).Flag("yes", true).Time("at", at).Time("none", time.Time{}).
		Duration("zero", 0).Known("known", 1500*time.Millisecond).Known("none", 0).Known("none", -1).Known("none", math.MaxInt64).
		Between("between", at, at.Add(time.Second)).Between("none", at, time.Time{}).
		Error("error.message", errors.New(`an "error"`)).Error("none", nil).
		Peer(&net.TCPAddr{IP: net.IPv6loopback, Port: 80}).Peer(nil).Peer(&net.TCPAddr{Port: 1}).Server("db:postgres").Server("/run/x").Server("").
		Group(Line{}.Int("inner", 1).Value()).Group(slog.StringValue("none"))
	want := `cause=reset text="two words" n=0 id=7 yes=true at=2026-01-02T03:04:05.000006Z zero=0s known=1.5s between=1s ` +
		`error.message="an \"error\"" network.peer.address=::1 network.peer.port=80 server.address=db server.address=/run/x inner=1`
	if got := line.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (Line{}).String(); got != "nothing" {
		t.Error(got)
	}
}

func TestALogHasSeconds(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := New(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	line := func() Line { return Line{}.Duration("took", 1500*time.Millisecond) }
	var none context.Context
	log.LogContext(none, slog.LevelInfo, "done", line)
	log.Log(slog.LevelDebug, "not wanted", func() Line { t.Error("made"); return nil })
	if got := b.String(); got != `{"level":"INFO","msg":"done","took":1.5}`+"\n" {
		t.Error(got)
	}
}
