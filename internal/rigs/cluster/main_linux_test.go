package cluster

import (
	"testing"

	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }
