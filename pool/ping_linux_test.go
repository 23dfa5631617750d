package pool_test

import (
	"net"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// pinged is a pool without Check whose idle connections are in doubt at once.
func pinged(t *testing.T, s *server) *pool.Pool[net.Conn] {
	return newPool(t, pool.Config[net.Conn]{
		Dial:       dialer(&hale.Dialer{KeepAlive: sockopt.Within(20 * time.Second)}, s.addr),
		MaxConns:   2,
		CheckAfter: time.Nanosecond,
	})
}

// quiet waits until the peer of c was heard too long ago to be believed.
func quiet(t *testing.T, c pool.Conn[net.Conn]) *hale.Conn {
	t.Helper()
	conn, ok := hale.From(c.Value())
	if !ok {
		t.Fatal("not a hale.Conn")
	}
	eventually(t, "a quiet connection", func() bool {
		info, err := conn.Info()
		return err == nil && info.Silence() > 1100*time.Millisecond
	})
	return conn
}

func TestWithoutACheckThePeersKernelIsAsked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := pinged(t, s)
	first := acquire(t, p)
	conn := quiet(t, first)
	first.Release()
	acquire(t, p).Release()
	if info, err := conn.Info(); err != nil || info.Silence() > 500*time.Millisecond {
		t.Errorf("its peer was heard %v ago, %v", info.Silence(), err)
	}
}

// The peer is not gone for long enough to be given up, but whoever acquires now
// gets another connection.
func TestAConnectionWhosePeerDoesNotAnswerIsNotHandedOut(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := pinged(t, s)
	first := acquire(t, p)
	old := first.Value()
	quiet(t, first)
	first.Release()
	peer := s.accept()
	for peer.RemoteAddr().String() != old.LocalAddr().String() {
		peer = s.accept() // while the first was checked, another may have been dialled
	}
	thaw := testnet.Freeze(t, peer)
	start := time.Now()
	second := acquire(t, p)
	if second.Value() == old {
		t.Error("the frozen one was handed out")
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	eventually(t, "the frozen one kept from all callers", func() bool { return p.Stats().Quarantined == 1 })
	if st := p.Stats(); len(st.Deaths) != 0 || st.Outages != 0 {
		t.Errorf("%+v", st)
	}
	thaw()
	third := acquire(t, p) // which has come back
	if third.Value() != old {
		t.Error("the one that came back was not")
	}
	third.Release()
	second.Release()
}
