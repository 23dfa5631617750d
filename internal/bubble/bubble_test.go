package bubble

import (
	"testing"
	"testing/synctest"
)

func TestATestMayHaveBubbles(t *testing.T) {
	if !Possible() {
		t.Error("this is one")
	}
}

func TestABubbleIsKnownFromInside(t *testing.T) {
	if Inside() {
		t.Error("outside")
	}
	synctest.Test(t, func(t *testing.T) {
		if !Inside() {
			t.Error("inside")
		}
	})
}
