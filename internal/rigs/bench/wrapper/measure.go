package wrapper

import (
	"errors"
	"testing"
	"time"

	"example.com/hale/internal/rigs/bench/figure"
)

// inBuffer is how many bytes are surely in the socket's buffers although nobody
// reads: then the peers are at rest while a call is timed.
const inBuffer = 32 << 10

// both makes calls on each of several ends in turn, a few at a time, for about as long
// as it says for each, and returns the nanoseconds of one: of the median of its turns,
// which one in which somebody else had the processor is not.
func (o op) both(all []*ends, size int, length time.Duration) (ns []float64, err error) {
	calls := make([]func() error, len(all))
	for i, e := range all {
		do, tidy, err := o.prepare(e, size)
		if err != nil {
			return nil, err
		}
		defer tidy()
		calls[i] = do
	}
	batch := max(1, min(16, inBuffer/size))
	exchange := o.exchange
	if size > inBuffer {
		batch, exchange = 4, o.stream
	}
	turns := make([]figure.Sample, len(all))
	for spent, first := time.Duration(0), 0; spent < length*time.Duration(len(all)); first++ {
		for k := range all {
			i := (first + k) % len(all)
			took, err := exchange(all[i], calls[i], size, batch)
			if err != nil {
				return nil, err
			}
			spent += took
			turns[i] = append(turns[i], float64(took)/float64(batch))
		}
	}
	for _, t := range turns {
		ns = append(ns, t.Median())
	}
	return ns, nil
}

// exchange has the peers act before and after, not meanwhile.
func (o op) exchange(e *ends, do func() error, size, n int) (took time.Duration, err error) {
	if o.feeds {
		err = e.feed(n * size)
	}
	start := time.Now()
	for range n {
		err = errors.Join(err, do())
	}
	took = time.Since(start)
	if o.drains {
		err = errors.Join(err, e.drain(n*size))
	}
	return took, err
}

// stream has them act at the same time.
func (o op) stream(e *ends, do func() error, size, n int) (took time.Duration, err error) {
	peers, errs := 0, make(chan error, 2)
	start := time.Now()
	if o.feeds {
		peers++
		go func() { errs <- e.feed(n * size) }()
	}
	if o.drains {
		peers++
		go func() { errs <- e.drain(n * size) }()
	}
	for range n {
		err = errors.Join(err, do())
	}
	for range peers {
		err = errors.Join(err, <-errs)
	}
	return time.Since(start), err
}

// allocations counts them for one call of a few bytes.
func (o op) allocations(e *ends) (n float64, err error) {
	const size, calls = 64, 20
	do, tidy, err := o.prepare(e, size)
	if err != nil {
		return 0, err
	}
	defer tidy()
	if o.feeds {
		err = e.feed((calls + 1) * size)
	}
	n = testing.AllocsPerRun(calls, func() { err = errors.Join(err, do()) })
	if o.drains {
		err = errors.Join(err, e.drain((calls+1)*size))
	}
	return n, err
}
