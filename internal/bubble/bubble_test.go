package bubble

import (
	"testing"
	"testing/synctest"
)

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
