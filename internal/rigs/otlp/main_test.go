package main

import (
	"errors"
	"flag"
	"net"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want string }{
		{"-otlp localhost", `-otlp "localhost": not host:port`},
		{"-otlp=", `-otlp "": not host:port`},
		{"-prometheus 9464", `-prometheus "9464": not host:port`},
		{"-service=", `-service "": empty`},
		{"-freeze-after soon", `invalid value "soon" for flag -freeze-after`},
		{"-freeze-after -1s", "-freeze-after -1s: below 0s"},
		{"-thaw-after 1s", "-thaw-after 1s: below 2.5s"},
		{"-run-on -1s", "-run-on -1s: below 0s"},
		{"extra", `unexpected argument "extra"`},
	} {
		_, err := parse(strings.Fields(test.args), nil)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || status(err) != exitUsage {
			t.Errorf("otlp %s: %v, want one line with %q", test.args, err, test.want)
		}
	}
}

func TestHelpExplainsFlagsAndExitStatuses(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if _, err := parse([]string{"-help"}, &out); !errors.Is(err, flag.ErrHelp) || status(err) != exitSent {
		t.Fatal(err)
	}
	for _, want := range []string{
		"-otlp", "-service", "-prometheus", "-freeze-after", "-thaw-after", "-run-on",
		"exit status", "\n  3 ", "\n  4 ", "\n  130 ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestWhereNoCollectorListensOneClearLineSaysSo(t *testing.T) {
	t.Parallel()
	l := listen(t)
	l.Close()
	_, err := open(options{collector: l.Addr().String()})
	wantFailure(t, err, exitCollector, "no collector at "+l.Addr().String())
}

func TestWhoDoesNotSpeakOTLPIsNoCollector(t *testing.T) {
	t.Parallel()
	l := listen(t)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	err := try(t, l.Addr().String())
	wantFailure(t, err, exitCollector, "the collector at "+l.Addr().String(), "takes no spans")
}

func TestWhoNeverAnswersIsNoCollector(t *testing.T) {
	t.Parallel()
	l := listen(t) // accepts nothing, but its kernel does
	start := time.Now()
	err := try(t, l.Addr().String())
	wantFailure(t, err, exitCollector, "the collector at "+l.Addr().String(), "takes no spans")
	if took := time.Since(start); took < patience || took > patience+5*time.Second {
		t.Errorf("it took %v, want about %v", took, patience)
	}
}

// try runs the program up to where the collector has shown what it is.
func try(t *testing.T, collector string) error {
	t.Helper()
	o, err := parse([]string{"-otlp", collector}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	return program{options: o, outside: out}.run(t.Context(), nil)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func wantFailure(t *testing.T, err error, want int, texts ...string) {
	t.Helper()
	if err == nil || status(err) != want || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v, status %d, want one line and status %d", err, status(err), want)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("no %q in: %v", text, err)
		}
	}
}
