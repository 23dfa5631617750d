package vitess

import (
	"testing"

	"go.uber.org/goleak"

	"example.com/hale/internal/rigs/bench"
)

// glog, which Vitess logs with, flushes for as long as the process lives.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

func BenchmarkCheckout(b *testing.B) { bench.Checkout(b, Rivals) }

func BenchmarkWaits(b *testing.B) { bench.Waits(b, Rivals) }

func TestVitessWorks(t *testing.T) {
	t.Parallel()
	bench.Try(t, Rivals[len(bench.Rivals):])
}
