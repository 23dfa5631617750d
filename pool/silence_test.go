package pool

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

// heard is an endpoint whose kernel tells of each connection when its peer was
// heard last, and whether it owes an answer.
type heard struct {
	endpoint
	attempts

	mu    sync.Mutex // guards what follows
	infos map[int]health.Info
	at    time.Time // when they held
}

func newHeard(t *testing.T, conns int) (*heard, *Pool[*infoConn]) {
	t.Helper()
	h := &heard{infos: make(map[int]health.Info)}
	p := newWrapped(t, &h.endpoint, func(c *fakeConn) *infoConn {
		return &infoConn{c, func() health.Info { return h.info(c.id) }}
	}, func(c *Config[*infoConn]) {
		c.Observer, c.MinConns = h.observer(), conns
	})
	synctest.Wait()
	return h, p
}

func (h *heard) info(id int) health.Info {
	h.mu.Lock()
	defer h.mu.Unlock()
	info, passed := h.infos[id], time.Since(h.at)
	info.SinceAck += passed
	info.SinceReceived += passed
	return info
}

func (h *heard) set(infos map[int]health.Info) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.infos, h.at = infos, time.Now()
}

func silent(since time.Duration, probes, retransmits int) health.Info {
	return health.Info{SinceAck: since, SinceReceived: since, Probes: probes, Retransmits: retransmits}
}

// The first victim may have been idle for long before its peer fell silent.
func TestAnOutageBeginsWithTheLastSignOfLife(t *testing.T) {
	t.Parallel()
	const second, half = time.Second, 500 * time.Millisecond
	for name, test := range map[string]struct {
		unanswered time.Duration // of the victim, which was silent for 3 s
		others     map[int]health.Info
		began      time.Duration // before the detection
	}{
		"of the victim":                   {0, map[int]health.Info{2: silent(4*second, 1, 0)}, 3 * second},
		"of one that waits for an answer": {0, map[int]health.Info{2: silent(2*second, 1, 0), 3: silent(5*half, 0, 4)}, 2 * second},
		"of one with data on its way":     {0, map[int]health.Info{2: silent(2*second, 0, 0), 3: silent(5*half, 0, 4)}, 5 * half},
		"not of one that is answered":     {0, map[int]health.Info{2: silent(second, 0, 0), 3: silent(half, 0, 0)}, 3 * second},
		"before an answer was due":        {2 * second, map[int]health.Info{2: silent(2*second, 0, 0), 3: silent(5*half, 0, 0)}, 2 * second},
		"not after an answer was due":     {2 * second, map[int]health.Info{2: silent(3*half, 0, 0), 3: silent(half, 0, 0)}, 3 * second},
		"known to nobody else":            {2 * second, nil, 3 * second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, _ := newHeard(t, 3)
				h.set(test.others)
				h.all()[0].die(&health.DeadError{
					Cause: health.KeepAliveTimeout, Silence: 3 * second, Unanswered: test.unanswered, Detected: time.Now(), Err: errSick,
				})
				synctest.Wait()
				h.attempts.mu.Lock()
				defer h.attempts.mu.Unlock()
				if len(h.begun) != 1 || h.begun[0].Detected.Sub(h.begun[0].Began) != test.began {
					t.Errorf("%+v", h.begun)
				}
			})
		})
	}
}

// A dial may fail before the kernel has given any connection up.
func TestAnOutageThatBeginsWithADialKnowsOfTheSilence(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		infos map[int]health.Info
		began time.Duration // before the detection, 1 s after the dial began and a second more for a reply if one may come
	}{
		"one waits for an answer": {map[int]health.Info{1: silent(2*time.Second, 1, 0)}, 3 * time.Second},
		"none does":               {map[int]health.Info{1: silent(2*time.Second, 0, 0)}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, p := newHeard(t, 1)
				held := acquireWrapped(t, p)
				defer held.Release()
				h.set(test.infos)
				h.setDelay(time.Second)
				h.setRefuse(errRefused)
				go func() { _, _ = p.Acquire(t.Context()) }()
				time.Sleep(2500 * time.Millisecond)
				held.Value().kill(health.SendTimeout)
				h.setRefuse(nil)
				time.Sleep(time.Minute)
				synctest.Wait()
				h.attempts.mu.Lock()
				defer h.attempts.mu.Unlock()
				if len(h.begun) != 1 || len(h.ended) != 1 {
					t.Fatalf("begun %+v, ended %+v", h.begun, h.ended)
				}
				first, last := h.begun[0], h.ended[0]
				if first.Death != nil || first.Detected.Sub(first.Began) != test.began {
					t.Errorf("begun %+v", first)
				}
				if last.Death == nil || last.Death.Cause != health.SendTimeout || !last.Began.Equal(first.Began) {
					t.Errorf("ended %+v", last)
				}
				if want := len(h.done) + 1; last.Attempts != want { // and the first, which was no reconnect yet
					t.Errorf("%d attempts, want %d", last.Attempts, want)
				}
			})
		})
	}
}
