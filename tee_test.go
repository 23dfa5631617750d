package hale

import (
	"context"
	"testing"

	"example.com/hale/internal/lab/hookstest"
	"example.com/hale/internal/lab/testnet"
)

func TestTeeCallsEveryHookInOrder(t *testing.T) {
	t.Parallel()
	hookstest.Tee(t, Tee)
}

func TestAHookThatReturnsNoContextLeavesItAlone(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got context.Context
	d := &Dialer{Observer: &Observer{
		DialStart: func(context.Context, DialStartInfo) context.Context { return nil },
		DialDone:  func(ctx context.Context, _ DialDoneInfo) { got = ctx },
	}}
	c, err := d.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if got != ctx {
		t.Errorf("DialDone got %v", got)
	}
}
