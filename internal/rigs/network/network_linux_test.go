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
		t.Run("a NAT that forgets, and one packet of two is lost", tryPathIdle)
		t.Run("gaps that are tolerated, and one that is not", tryGaps)
	})
	sameDescriptors(t, before)
	if *tableFlag {
		fmt.Print(markdown())
	}
}
