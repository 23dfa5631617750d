package network

import (
	"fmt"
	"testing"
)

// TestNetwork breaks networks, all beside each other: it is the kernel's timers
// that they wait for.
func TestNetwork(t *testing.T) {
	before := descriptors(t)
	t.Run("breaks", func(t *testing.T) {
		for _, b := range breakages {
			t.Run(b.name, b.run)
		}
		t.Run(keptAlive, tryNAT)
		t.Run(dualStack, tryDualStack)
	})
	sameDescriptors(t, before)
	if *tableFlag {
		fmt.Print(markdown())
	}
}
