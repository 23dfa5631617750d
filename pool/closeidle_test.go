package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseIdleClosesWhatWasUsedLongestAgo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := new(endpoint)
		p := newPool(t, e, func(c *Config[*fakeConn]) {
			c.CheckAfter = time.Second // that they are to be checked is no reason to keep them
			c.Check = func(context.Context, *fakeConn) error { t.Error("checked"); return nil }
		})
		held := []Conn[*fakeConn]{acquire(t, p), acquire(t, p), acquire(t, p), acquire(t, p)}
		for _, c := range held[:3] {
			c.Release()
			time.Sleep(10 * time.Second)
		}
		for n, want := range []int{0, 1} {
			if got := p.CloseIdle(n); got != want {
				t.Errorf("%d of %d", got, n)
			}
		}
		synctest.Wait()
		var closed []bool
		for _, c := range e.all() {
			closed = append(closed, c.closed.Load())
		}
		if !closed[0] || closed[1] || closed[2] || closed[3] {
			t.Errorf("closed %v", closed)
		}
		if got := p.CloseIdle(9); got != 2 || p.CloseIdle(-1) != 0 {
			t.Errorf("%d of the last two", got)
		}
		if st := p.Stats(); st.Conns != 1 || st.InUse != 1 || st.Recycled[ReasonSurplus] != 3 {
			t.Errorf("%+v", st)
		}
		held[3].Release()
		p.Close()
		if p.CloseIdle(1) != 0 {
			t.Error("of a closed pool")
		}
	})
}
