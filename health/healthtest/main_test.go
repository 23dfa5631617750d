package healthtest_test

import (
	"os"
	"testing"

	"example.com/hale/internal/lab/testnet"
)

// TestMain is the test's TestMain, or, in a process that a test started, the
// role that the test wants it to play.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		playRole(role)
	}
	testnet.Main(m)
}
