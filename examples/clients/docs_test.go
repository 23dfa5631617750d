// Package clients has a package for each client in a folder of its own; here is the test
// of what the documents show of them.
package clients

import (
	"errors"
	"testing"

	"example.com/hale/internal/lab/mdcode"
	"example.com/hale/internal/lab/testnet"
)

// The other blocks of the documents are checked by the test of that name in package hale.
// The go command does not see that documents of another module change: -count=1.
func TestGoInDocumentsCompiles(t *testing.T) {
	t.Parallel()
	blocks, err := mdcode.Documents("../..")
	if err != nil {
		t.Fatal(err)
	}
	c := mdcode.Checker{Dir: ".", Packages: mdcode.Packages}
	_, clients, err := c.Go(blocks)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(clients); errors.Is(err, mdcode.ErrAbsent) {
		testnet.Missing(t, err.Error())
	} else if err != nil {
		t.Error(err)
	}
}
