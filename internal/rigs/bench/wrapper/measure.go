package wrapper

import (
	"errors"
	"testing"
	"time"
)

// inBuffer is how many bytes are surely in the socket's buffers although nobody
// reads: then the peers are at rest while a call is timed.
const inBuffer = 32 << 10

// run makes calls for about as long as it says, and returns the nanoseconds of one.
func (o op) run(e *ends, size int, length time.Duration) (float64, error) {
	do, tidy, err := o.prepare(e, size)
	if err != nil {
		return 0, err
	}
	defer tidy()
	batch := max(1, min(16, inBuffer/size))
	exchange := o.exchange
	if size > inBuffer {
		batch, exchange = 4, o.stream
	}
	calls := 0
	var spent time.Duration
	for spent < length {
		took, err := exchange(e, do, size, batch)
		if err != nil {
			return 0, err
		}
		spent += took
		calls += batch
	}
	return float64(spent) / float64(calls), nil
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
