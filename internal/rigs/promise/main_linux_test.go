package promise

import (
	"flag"
	"testing"

	"example.com/hale/internal/lab/testnet"
)

var (
	tableFlag = flag.Bool("table", false, "measure everything, for minutes, and print it as Markdown tables")
	runsFlag  = flag.Int("runs", 1, "how often each state is tried, side by side")
)

func TestMain(m *testing.M) { testnet.Main(m) }
