// Package testnet holds what hale's own tests need from the machine:
// capabilities that may be missing, and networks that may be broken.
package testnet

import (
	"os"
	"testing"
)

// LabEnv names the environment variable that turns a skip for a missing
// capability into a failure. Continuous integration sets it to 1, so that
// no test is lost there without a word.
const LabEnv = "HALE_LAB"

// Missing ends the test because the machine lacks what it needs. It skips,
// naming what is missing, or fails where HALE_LAB=1 promises that nothing is.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(LabEnv) == "1" {
		t.Fatalf("%s=1, but this machine lacks %s", LabEnv, what)
	}
	t.Skipf("SKIPPED: this machine lacks %s", what)
}
