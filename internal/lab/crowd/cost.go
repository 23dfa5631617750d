package crowd

import "runtime"

// A Cost is what this process holds in memory.
type Cost struct {
	Heap       float64 // bytes
	Goroutines int
}

// CostNow collects garbage first.
func CostNow() Cost {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has found to be finalized
	runtime.ReadMemStats(&m)
	return Cost{float64(m.HeapAlloc), runtime.NumGoroutine()}
}
