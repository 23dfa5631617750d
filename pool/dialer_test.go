package pool

import (
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/pauses"
)

// bench is a dialer without a pool, and what it would be told of one.
type bench struct {
	*dialer
	have    demand
	started int // goroutines that reconnect
	served  bool
}

// benchOf is a dialer of five places, two dials at a time and two connections
// that are well.
func benchOf() *bench {
	b := &bench{have: demand{fit: 2, idle: 2}}
	b.dialer = newDialer(5, 0, 0, 2, 10*time.Second, time.Second, pauses.Default())
	b.reconnect = func() { b.started++ }
	b.places = 2
	return b
}

func (b *bench) demand() demand { return b.have }

// dials makes a dial that fails, or succeeds.
func (b *bench) dials(fails bool) {
	b.places++
	b.dialing++
	if fails {
		b.failed(errRefused, time.Now(), b.demand, 1)
		return
	}
	b.succeeded(time.Now())
	b.ended()
	b.have.fit++
}

// dies loses a connection.
func (b *bench) dies(cause health.Cause) {
	b.have.fit--
	dead := &health.DeadError{Cause: cause, Detected: time.Now(), Silence: time.Second}
	b.lost(loss{why: dead, age: time.Hour}, b.demand)
}

// rejects has so many connections be accepted and closed.
func (b *bench) rejects(n int) {
	for range n {
		dead := &health.DeadError{Cause: health.PeerClosed, Detected: time.Now()}
		b.lost(loss{why: dead, rejected: true, served: b.served}, b.demand)
	}
}

// asked has the living connections asked.
func (b *bench) asked(replied, hope bool) {
	if q, ok := b.ask(b.have.fit, b.have.fit); ok {
		b.answer(q, replied, hope, b.demand)
	}
}

// The rows of the table in the documentation of reach.
func TestTheTableOfReachIsWhatHappens(t *testing.T) {
	t.Parallel()
	fails := func(b *bench) { b.dials(true) }
	probed := []func(*bench){fails}
	fulled := []func(*bench){fails, func(b *bench) { b.asked(true, true) }}
	downed := []func(*bench){func(b *bench) { b.dies(health.KeepAliveTimeout) }}
	rejected := []func(*bench){func(b *bench) { b.rejects(rejectionsMost) }}
	for name, row := range map[string]struct {
		before []func(*bench)
		event  func(*bench)
		want   reach
	}{
		"up, a dial fails and no connection is well":          {nil, func(b *bench) { b.have.fit = 0; b.dials(true) }, down},
		"up, a dial fails and others are well":                {nil, fails, probing},
		"up, a death by silence":                              {nil, downed[0], down},
		"up, a death that was announced":                      {nil, func(b *bench) { b.dies(health.PeerClosed) }, up},
		"up, connections are rejected":                        {nil, rejected[0], full},
		"up, and none is well":                                {nil, func(b *bench) { b.have.fit = 0; b.rejects(rejectionsMost) }, up},
		"up, too few are rejected":                            {nil, func(b *bench) { b.rejects(rejectionsMost - 1) }, up},
		"up, and one has lived":                               {nil, func(b *bench) { b.rejects(rejectionsMost - 1); b.dies(health.Reset); b.rejects(1) }, up},
		"up, and one lives that came between":                 {nil, func(b *bench) { b.rejects(rejectionsMost - 1); b.served = true; b.rejects(1) }, up},
		"full of those, a dial succeeds":                      {rejected, func(b *bench) { b.dials(false); b.finish() }, up},
		"full of those, a death by silence":                   {rejected, downed[0], down},
		"probing, a death by silence":                         {probed, downed[0], down},
		"probing, a reply":                                    {probed, func(b *bench) { b.asked(true, true) }, full},
		"probing, no reply yet":                               {probed, func(b *bench) { b.asked(false, true) }, probing},
		"probing, nothing lets hope for one":                  {probed, func(b *bench) { b.asked(false, false) }, down},
		"probing, none for the grace period":                  {probed, func(b *bench) { time.Sleep(time.Second); b.asked(false, true) }, down},
		"probing, a dial succeeds":                            {probed, func(b *bench) { b.dials(false); b.finish() }, up},
		"full, a dial fails and no connection lives":          {fulled, func(b *bench) { b.have.fit = 0; b.dials(true) }, down},
		"full, a dial fails and others live":                  {fulled, fails, full},
		"full, a dial succeeds":                               {fulled, func(b *bench) { b.dials(false); b.finish() }, up},
		"full, nobody needs another":                          {fulled, func(b *bench) { b.reserveAgain(1, 0, b.have); b.finish() }, up},
		"down, a reply since a dial has failed":               {downed, func(b *bench) { b.dials(true); b.asked(true, true) }, full},
		"down, a reply, but no dial has failed":               {downed, func(b *bench) { b.asked(true, true) }, down},
		"down, a dial succeeds":                               {downed, func(b *bench) { b.dials(false); b.finish() }, up},
		"down, a dial had succeeded and another falls silent": {downed, func(b *bench) { b.dials(false); b.dies(health.KeepAliveTimeout); b.finish() }, up},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := benchOf()
				for _, step := range row.before {
					step(b)
				}
				row.event(b)
				if b.state != row.want {
					t.Errorf("%d, not %d", b.state, row.want)
				}
				if left := len(row.before) > 0 || row.want != up; left != (b.started == 1) {
					t.Errorf("%d goroutines reconnect", b.started)
				}
			})
		})
	}
}

func TestNoDialIsAllowedBeyondTheLimits(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change  func(*bench)
		waiters int
		want    int
	}{
		"a dial for each who waits":         {func(b *bench) { b.maxDials = 9 }, 2, 2},
		"as many as at a time":              {func(*bench) {}, 9, 2},
		"as many as there are places":       {func(b *bench) { b.maxDials = 9 }, 9, 3},
		"none while idle ones are held":     {func(b *bench) { b.sweep(1) }, 1, 0},
		"none before the pause is over":     {func(b *bench) { b.dialAt = time.Now().Add(time.Hour) }, 1, 0},
		"none while one goroutine does":     {func(b *bench) { b.dies(health.KeepAliveTimeout) }, 1, 0},
		"none of a pool that is closed":     {func(b *bench) { b.close() }, 1, 0},
		"none if one has the last place":    {func(b *bench) { b.places = 5 }, 1, 0},
		"none for those who do not wait":    {func(*bench) {}, 0, 0},
		"one where a place has become free": {func(b *bench) { b.places = 5; b.freePlace() }, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := benchOf()
			row.change(b)
			n := 0
			for {
				before, ok := b.reserveForWaiter(func() int { return row.waiters })
				if !ok {
					break
				}
				if before != n {
					t.Errorf("dial %d is for the one with %d before it", n, before)
				}
				n++
			}
			if n != row.want || b.dialing != n {
				t.Errorf("%d dials, %d counted", n, b.dialing)
			}
		})
	}
}

func TestAnOutageBeginsWithTheBurstOfDeathsBeforeTheDialThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOf()
		b.dies(health.PeerClosed) // for a reason of its own
		time.Sleep(3 * time.Second)
		began := time.Now()
		b.dies(health.PeerClosed)
		time.Sleep(burst)
		b.dies(health.Reset)
		time.Sleep(burst)
		b.have.fit = 0
		b.dials(true)
		if o := b.current; o == nil || !o.Began.Equal(began) || o.Lost != 2 || o.Death.Cause != health.PeerClosed {
			t.Errorf("%v", o)
		}
	})
}

func TestWhatDiedBeforeTheEndpointWasHeardLastIsNotLostToItsSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOf()
		b.dies(health.Reset)
		time.Sleep(burst)
		heard := time.Now().Add(-burst / 2)
		silent := &health.DeadError{Cause: health.SendTimeout, Detected: time.Now(), Silence: 2 * burst}
		b.lost(loss{why: silent, heard: heard, age: time.Hour}, b.demand)
		if o := b.current; o == nil || !o.Began.Equal(heard) || o.Lost != 1 {
			t.Errorf("%v", o)
		}
	})
}
