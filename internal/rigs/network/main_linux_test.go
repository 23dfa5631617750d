package network

import (
	"os"
	"testing"

	"example.com/hale/internal/lab/testnet"
)

// TestMain also is the main of the programs that the tests start inside hosts:
// this binary, with a role.
func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleEnv)]; ok {
		os.Exit(role())
	}
	testnet.Main(m)
}
