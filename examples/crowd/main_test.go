package main

import (
	"testing"

	"example.com/hale/internal/lab/crowd"
	"example.com/hale/internal/lab/program/programtest"
	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) {
	crowd.Be()
	testnet.Main(m)
}

func TestACrowdKnowsThatItsPeersAreGone(t *testing.T) {
	t.Parallel()
	for _, freeze := range []bool{false, true} {
		if freeze {
			testnet.NeedFreeze(t)
		}
		o, err := parse([]string{"-n", "50", "-over", "100ms", "-idle", "100ms", "-within", "2s"}, nil)
		if o.freeze = freeze; err != nil {
			t.Fatal(err)
		}
		if err := o.run(t.Context()); err != nil {
			t.Errorf("frozen %t: %v", freeze, err)
		}
	}
}

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	programtest.BadUsage(t, parse,
		[2]string{"-n 0", "-n 0: below 1"},
		[2]string{"-over -1s", "-over -1s: below 0s"},
		[2]string{"-idle -1s", "-idle -1s: below 0s"},
		[2]string{"all", `unexpected argument "all"`})
}
