package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/program"
	"example.com/hale/internal/lab/program/programtest"
	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	programtest.BadUsage(t, parse,
		[2]string{"-otlp localhost", `-otlp "localhost": not host:port`},
		[2]string{"-otlp=", `-otlp "": not host:port`},
		[2]string{"-prometheus 9464", `-prometheus "9464": not host:port`},
		[2]string{"-service=", `-service "": empty`},
		[2]string{"-freeze-after soon", `invalid value "soon" for flag -freeze-after`},
		[2]string{"-freeze-after -1s", "-freeze-after -1s: below 0s"},
		[2]string{"-thaw-after 1s", "-thaw-after 1s: below 2.5s"},
		[2]string{"-run-on -1s", "-run-on -1s: below 0s"},
		[2]string{"extra", `unexpected argument "extra"`})
}

func TestHelpExplainsFlagsAndExitStatuses(t *testing.T) {
	t.Parallel()
	programtest.Help(t, parse, "-otlp", "-service", "-prometheus", "-freeze-after", "-thaw-after", "-run-on",
		"\n  1 ", "\n  3 ", "\n  4 ", "\n  130 ")
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
	return rig{options: o, outside: out}.run(t.Context(), nil)
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
	if err == nil || program.Status(err) != want || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v, status %d, want one line and status %d", err, program.Status(err), want)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("no %q in: %v", text, err)
		}
	}
}
