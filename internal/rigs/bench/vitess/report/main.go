// Report measures hale beside its rivals, Vitess's pool among them, and writes
// docs/BENCHMARKS.md; see package report of the benchmarks.
package main

import (
	"example.com/hale/internal/rigs/bench/report"
	"example.com/hale/internal/rigs/bench/vitess"
)

func main() { report.Main(vitess.Rivals) }
