package timeline

import (
	"strings"
	"testing"
	"time"
)

func TestATimelineCountsFromItsFirstLine(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	line := Timeline{Out: &out}
	start := time.Now()
	line.Print(start, "%d begins", 1)
	line.Print(start.Add(12345*time.Millisecond), "ends")
	if want := "[00.000] 1 begins\n[12.345] ends\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
