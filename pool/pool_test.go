package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
)

func TestAReleasedConnectionIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, nil)
		c := acquire(t, p)
		first := c.Value()
		c.Release()
		c = acquire(t, p)
		defer c.Release()
		if c.Value() != first {
			t.Error("a second connection was made")
		}
	})
}

func TestADeadConnectionIsNeverHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) { c.MinConns = 3 })
		synctest.Wait()
		if st := p.Stats(); st.Idle != 3 {
			t.Fatalf("%+v", st)
		}
		for _, c := range e.conns {
			c.kill(health.Reset)
		}
		c := acquire(t, p)
		defer c.Release()
		if c.Value().Err() != nil {
			t.Error("got a dead one")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := p.Stats(); st.Conns != 3 || st.Recycled[ReasonDead] != 3 {
			t.Errorf("%+v", st)
		}
		if _, open, most := e.counts(); open != 3 || most > 4 {
			t.Errorf("%d open, %d at most", open, most)
		}
	})
}

func TestAWaitingCallerGetsWhatIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, nil)
		held := acquire(t, p)
		e.setDelay(time.Hour)
		got := make(chan Conn[*fakeConn])
		go func() {
			c, err := p.Acquire(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- c
		}()
		synctest.Wait()
		held.Release()
		c := <-got
		if c.Value().id != 1 {
			t.Error("waited for its own dial")
		}
		c.Release()
	})
}

func TestAnOutageIsOneValueFromTheSilenceToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		var begun, ended []Outage
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.MinConns = 2
			c.Observer = &Observer{
				OutageBegin: func(o Outage) { begun = append(begun, o) },
				OutageEnd:   func(o Outage) { ended = append(ended, o) },
			}
		})
		synctest.Wait()
		start := time.Now()
		e.setRefuse(errRefused)
		for _, c := range e.conns {
			c.kill(health.KeepAliveTimeout)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := p.Acquire(ctx)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errRefused) || !errors.Is(err, context.DeadlineExceeded) || !SafeToRetry(err) {
			t.Errorf("%v", err)
		}
		e.setRefuse(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(begun) != 1 || len(ended) != 1 {
			t.Fatalf("begun %v, ended %v", begun, ended)
		}
		o := ended[0]
		if o.ID != 1 || !o.Began.Equal(start.Add(-3*time.Second)) || o.Death.Cause != health.KeepAliveTimeout || o.Lost != 2 || o.Attempts < 5 || o.Waiters != 1 {
			t.Errorf("%+v", o)
		}
		if st := p.Stats(); st.Conns != 2 || st.Down {
			t.Errorf("%+v", st)
		}
	})
}
