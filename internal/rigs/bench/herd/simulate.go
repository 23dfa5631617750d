package herd

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	window = 100 * time.Millisecond // in which a server admits so many, and attempts are counted
	tick   = time.Millisecond       // of the discrete clock
)

// A world is an endpoint that is away for a while, and then admits a few at a time.
type world struct {
	down     time.Duration
	told     time.Duration   // the last client knows that long after the first
	first    []time.Duration // when each client knows; if nil, at random within told
	capacity int             // attempts that are admitted in a window; the others are refused at once
	horizon  time.Duration   // when it ends, from the beginning on
}

// An outcome is what the endpoint has seen.
type outcome struct {
	clients  int
	attempts []int           // of each window, from the beginning on
	back     []float64       // seconds from the return until each client was admitted, in order
	first    []time.Duration // of a real herd, when its first attempts were, one for each client
}

// simulate has clients reconnect by a schedule, under a discrete clock. What they do
// while the endpoint is away does not depend on the others, so each is followed
// through it alone; then all of them are, tick by tick.
func simulate(clients int, s schedule, w world) outcome {
	o := outcome{clients: clients, attempts: make([]int, w.horizon/window+1)}
	pauses := make([]backoff.BackOff, clients)
	due := make([][]int32, w.horizon/tick+1)
	for i := range pauses {
		b := s.begin()
		pauses[i] = b
		at := rand.N(w.told + 1)
		if w.first != nil {
			at = w.first[i]
		}
		for at < w.down {
			o.attempts[at/window]++
			at += b.NextBackOff()
		}
		if at < w.horizon {
			due[at/tick] = append(due[at/tick], int32(i))
		}
	}
	admitted, of := 0, -1
	for t := int(w.down / tick); t < len(due); t++ {
		at := time.Duration(t) * tick
		if n := int(at / window); n != of {
			admitted, of = 0, n
		}
		for k := 0; k < len(due[t]); k++ { // one may come again in the same tick
			i := due[t][k]
			o.attempts[of]++
			if admitted < w.capacity {
				admitted++
				o.back = append(o.back, (at - w.down).Seconds())
				continue
			}
			if next := at + pauses[i].NextBackOff(); next < w.horizon {
				due[next/tick] = append(due[next/tick], i)
			}
		}
		due[t] = nil
		if len(o.back) == clients {
			break
		}
	}
	return o
}

// backAt is after how many seconds a part of the clients was back; infinite if they
// were not within the horizon.
func (o outcome) backAt(part float64) float64 {
	n := int(math.Ceil(part * float64(o.clients)))
	if n < 1 || n > len(o.back) {
		return math.Inf(1)
	}
	return o.back[n-1]
}

// peak is the most attempts of a window from the return on.
func (o outcome) peak(w world) (most int) {
	for _, n := range o.attempts[w.down/window:] {
		most = max(most, n)
	}
	return most
}

// total is the attempts in all.
func (o outcome) total() (n int) {
	for _, a := range o.attempts {
		n += a
	}
	return n
}

// side by side, as many as there are processors.
func each(n int, do func(i int)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

// distance is the largest difference between the parts of two herds that are back at
// the same time (Kolmogorov and Smirnov's), those that never were included.
func distance(a, b outcome) (most float64) {
	part := func(o outcome, n int) float64 { return float64(n) / float64(o.clients) }
	i, j := 0, 0
	for i < len(a.back) || j < len(b.back) {
		switch {
		case j == len(b.back) || i < len(a.back) && a.back[i] < b.back[j]:
			i++
		case i == len(a.back) || b.back[j] < a.back[i]:
			j++
		default:
			at := a.back[i]
			for i < len(a.back) && a.back[i] == at {
				i++
			}
			for j < len(b.back) && b.back[j] == at {
				j++
			}
		}
		most = max(most, math.Abs(part(a, i)-part(b, j)))
	}
	return most
}
