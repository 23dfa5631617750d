package notice

import (
	"testing"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/bench/fake"
)

func TestMain(m *testing.M) {
	fake.Be()
	testnet.Main(m)
}

// BenchmarkReset is hale's pool of which 10,000 connections are reset, for profiles;
// 20 with -short.
//
//	go test -run '^$' -bench Reset -benchtime 1x -cpuprofile cpu ./bench/notice
func BenchmarkReset(b *testing.B) {
	n := 10_000
	if testing.Short() {
		n = 20
	}
	var o outcome
	for b.Loop() {
		if err := once(b.Context(), rivals[0], n, &o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(o.delays.Quantile(0.99), "p99-ns")
	b.ReportMetric(o.redials.Quantile(0.99), "redial-p99-ns")
}

func TestEveryRivalGivesUpWhatIsReset(t *testing.T) {
	t.Parallel()
	for _, r := range rivals {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var o outcome
			if err := once(t.Context(), r, 3, &o); err != nil {
				t.Fatal(err)
			}
			if redials := len(o.redials); redials != map[string]int{"hale": 3}[r.name] {
				t.Errorf("%d dials anew", redials)
			}
			if notices := o.uses == 0; notices != (o.known == 3) || o.conns != 3 {
				t.Errorf("%+v", o)
			}
		})
	}
}
