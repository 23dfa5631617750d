package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"example.com/hale/internal/lab/failover"
	"example.com/hale/internal/lab/program"
)

func TestThePageShowsThePool(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-freeze-after", "1h", "-page", "127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	_, err = o.trial(io.Discard).Run(ctx, func(trial *failover.Trial) (failover.Pool, error) {
		p, err := o.newHalePool(trial)
		if err != nil {
			return nil, err
		}
		defer cancel()
		answer, err := (&http.Client{Transport: transport}).Get(p.(*halePool).page)
		if err != nil {
			return p, err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if !strings.HasPrefix(string(text), "failover, ") || !strings.Contains(string(text), "of 16\n") {
			t.Errorf("%s", text)
		}
		return p, err
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAPageThatCannotBeServedIsAnError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := parse([]string{"-json", "-page", l.Addr().String()}, nil); program.Status(err) != program.Missed || !strings.Contains(err.Error(), "listen") {
		t.Errorf("%v", err)
	}
}
