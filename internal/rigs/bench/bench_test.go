package bench

import (
	"testing"

	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func BenchmarkCheckout(b *testing.B) { Checkout(b, Rivals) }

func BenchmarkWaits(b *testing.B) { Waits(b, Rivals) }

func TestEveryRivalWorks(t *testing.T) {
	t.Parallel()
	Try(t, Rivals)
}
