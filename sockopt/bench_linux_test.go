package sockopt_test

import (
	"testing"

	"example.com/hale/sockopt"
)

func BenchmarkCurrent(b *testing.B) {
	for b.Loop() {
		_ = sockopt.Current()
	}
}

func BenchmarkPlan(b *testing.B) {
	p := sockopt.Current()
	for b.Loop() {
		_, _ = p.Plan(sockopt.KeepAlive{})
	}
}
