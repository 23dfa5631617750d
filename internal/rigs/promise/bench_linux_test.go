package promise

import (
	"fmt"
	"testing"
)

// BenchmarkNoticed is the part of the promised time after which a vanished peer is
// noticed, for each state and budget. It takes as long as that; -benchtime 1x is
// once.
func BenchmarkNoticed(b *testing.B) {
	for _, w := range surroundings {
		b.Run(w.String(), func(b *testing.B) {
			l := newLab(b, w.rtt, w.retries2)
			for _, st := range w.states {
				if st.long && !*tableFlag {
					continue
				}
				for _, d := range chosenBudgets() {
					b.Run(fmt.Sprintf("%s/%v", st.name, d), func(b *testing.B) {
						worst := 0.0
						for i := 0; b.Loop(); i++ {
							m, err := l.measure(st, d, float64(i%4)/4)
							if err != nil {
								b.Fatal(err)
							}
							worst = max(worst, m.noticed.Seconds()/d.Seconds())
						}
						b.ReportMetric(worst, "noticed/promised")
					})
				}
			}
		})
	}
}
