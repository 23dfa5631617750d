package endpoints

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// BenchmarkAcquire is for profiles; of three endpoints alone with -short:
//
//	go test -run '^$' -bench 'Acquire/endpoints=1000/hale' -cpuprofile cpu ./bench/endpoints
func BenchmarkAcquire(b *testing.B) {
	sizes := []int{10, 100, 1000}
	if testing.Short() {
		sizes = []int{3}
	}
	for _, n := range sizes {
		for _, kind := range kinds {
			b.Run(fmt.Sprintf("endpoints=%d/%s", n, kind.name), func(b *testing.B) {
				server, err := kind.serve()
				if err != nil {
					b.Fatal(err)
				}
				defer server.Close()
				all, err := kind.open(b.Context(), n, func(int) string { return server.Addr })
				if err != nil {
					b.Fatal(err)
				}
				defer all.close()
				b.ReportAllocs()
				for b.Loop() {
					if err := all.once(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func TestEveryKindServesAllEndpoints(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			if most, err := uneven(t.Context(), kind, 4, 400); err != nil || most < 1 || most > 2 {
				t.Errorf("%v times the mean, %v", most, err)
			}
			failed, all, err := died(t.Context(), kind, 4, 50*time.Millisecond)
			if err != nil || all == 0 || all > 100 && failed == all { // of a few they all may, by chance
				t.Errorf("%d of %d failed, %v", failed, all, err)
			}
		})
	}
}

func TestWhoMeetsADeadEndpointLessIsNamed(t *testing.T) {
	t.Parallel()
	parts := map[string]float64{}
	for _, kind := range kinds {
		parts[kind.name] = 0.2
	}
	parts[kinds[0].name], parts[kinds[2].name] = 0.1, 0.05
	if got := compareDeaths(parts); !strings.Contains(got[0], kinds[2].name) {
		t.Error(got)
	}
	parts[kinds[2].name] = 0.1
	if got := compareDeaths(parts); !strings.Contains(got[0], "No other") {
		t.Error(got)
	}
}
