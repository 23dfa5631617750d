package loadtest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func serve(t *testing.T, name string, account *Account) *Server {
	t.Helper()
	s, err := Serve(name, account)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestARequestThatArrivesTwiceIsCounted(t *testing.T) {
	t.Parallel()
	var account Account
	one, other := dial(t, serve(t, "one", &account)), dial(t, serve(t, "other", &account))
	for _, request := range []struct {
		conn   net.Conn
		number uint64
	}{{one, 1}, {one, 2}, {other, 3}, {other, 1}, {one, 1}} {
		if err := Exchange(request.conn, request.number); err != nil {
			t.Fatal(err)
		}
	}
	if got := account.Duplicated(); got != 2 {
		t.Errorf("%d duplicated, want 2", got)
	}
	if got := slices.Sorted(slices.Values(account.Numbers())); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("%d have arrived", got)
	}
}

func TestAReplyToAnotherRequestIsNoticed(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		defer server.Close()
		var b [replySize]byte
		io.ReadFull(server, b[:requestSize])
		for i := 0; i < replySize; i += requestSize {
			binary.BigEndian.PutUint64(b[i:], 7)
		}
		binary.BigEndian.PutUint64(b[replySize-requestSize:], 8) // the end of another
		server.Write(b[:])
	}()
	var crossed *CrossedError
	if err := Exchange(client, 7); !errors.As(err, &crossed) || *crossed != (CrossedError{Asked: 7, Got: 8}) {
		t.Errorf("Exchange: %v", err)
	}
}

func TestAFrozenServerSaysNothingAndRunsWhatComesAfterTheThaw(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	s := serve(t, "server", new(Account))
	c := dial(t, s)
	if err := Exchange(c, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if err := Exchange(c, 2); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Exchange with a frozen server: %v", err)
	}
	d := net.Dialer{Timeout: 100 * time.Millisecond}
	if late, err := d.Dial("tcp", s.Addr()); err == nil {
		late.Close()
		t.Error("a frozen server accepts connections")
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, replySize)); err != nil {
		t.Errorf("no reply after the thaw: %v", err)
	}
}

func TestClosingAFrozenServerEndsIt(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	s := serve(t, "server", new(Account))
	c := dial(t, s)
	if err := Exchange(c, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	s.Close() // and again at the end of the test
	if err := s.Thaw(); err != nil {
		t.Errorf("Thaw after Close: %v", err)
	}
}

func TestADeadConnectionIsSeenWhenItIsHandedOut(t *testing.T) {
	t.Parallel()
	alive, _ := testnet.Pair(t)
	closed, _ := testnet.Pair(t)
	closed.Close()
	half, peer := testnet.Pair(t)
	peer.Close()
	waitFor(t, half) // for the peer's FIN
	for _, test := range []struct {
		name string
		conn net.Conn
		want bool
	}{
		{"alive", alive, false},
		{"closed", closed, true},
		{"by its own word", condemned{alive}, true},
		{"closed by the peer", half, true},
	} {
		if got := dead(test.conn); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

type condemned struct{ net.Conn }

func (condemned) Err() error { return io.EOF }

// waitFor reads to the end, and skips the test where the state that follows
// cannot be asked for.
func waitFor(t *testing.T, c *net.TCPConn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	raw, err := c.SyscallConn()
	if err == nil {
		_, err = health.Inspect(raw)
	}
	if err != nil {
		testnet.Missing(t, "TCP_INFO: "+err.Error())
	}
}

func TestANameMovesOnOnceForAllDialsThatFail(t *testing.T) {
	t.Parallel()
	var account Account
	a, b := serve(t, "A", &account), serve(t, "B", &account)
	n := NewName(time.Minute, a, b)
	var dialled sync.Map
	var together sync.WaitGroup
	together.Add(2)
	fail := func(_ context.Context, _, address string) (net.Conn, error) {
		together.Done()
		together.Wait()
		dialled.Store(address, true)
		return nil, io.EOF
	}
	var dials sync.WaitGroup
	for range 2 {
		dials.Go(func() { n.Dial(t.Context(), fail) })
	}
	dials.Wait()
	if _, moved := dialled.Load(b.Addr()); moved {
		t.Error("B was dialled before A had failed")
	}
	c, err := n.Dial(t.Context(), new(net.Dialer).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().String() != b.Addr() {
		t.Errorf("dialled %v, want B", c.RemoteAddr())
	}
}

func TestANameIsPatientOnlyForSoLong(t *testing.T) {
	t.Parallel()
	s := serve(t, "A", new(Account))
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := NewName(time.Second, s).Dial(t.Context(), func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestTheLongestStallIsOneWorkersOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		load := Load{
			Pauses: []time.Duration{time.Second},
			Use: func(context.Context, func(net.Conn) error) error {
				calls++
				switch calls {
				case 3: // 2 s after the start
					time.Sleep(3 * time.Second)
					return io.EOF
				case 4: // after 6 s
					time.Sleep(time.Second)
				}
				return nil
			},
		}
		run := load.Start()
		time.Sleep(10 * time.Second)
		got := run.Stop(func() { t.Error("aborted") })
		if got.LongestStall != 6*time.Second || got.Failed != 1 || got.Causes[health.PeerClosed] != 1 || got.Unanswered != 0 {
			t.Errorf("%+v, want a stall from 1 s to 7 s and one failure", got)
		}
	})
}

func TestWhatHangsAtTheEndIsUnansweredAndAStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		aborted := make(chan struct{})
		load := Load{
			Pauses: make([]time.Duration, 3),
			Use: func(context.Context, func(net.Conn) error) error {
				<-aborted
				return net.ErrClosed
			},
		}
		run := load.Start()
		time.Sleep(10 * time.Second)
		got := run.Stop(func() { close(aborted) })
		if got.Requests != 3 || got.Unanswered != 3 || got.Failed != 0 || got.LongestStall != 10*time.Second {
			t.Errorf("%+v", got)
		}
	})
}

func TestALoadCountsWhatItSees(t *testing.T) {
	t.Parallel()
	var account Account
	s := serve(t, "A", &account)
	c := dial(t, s)
	var mu sync.Mutex // one connection for both workers
	replies := make(chan Reply, 1)
	run := Load{
		Pauses: []time.Duration{0, time.Millisecond},
		Use: func(_ context.Context, fn func(net.Conn) error) error {
			mu.Lock()
			defer mu.Unlock()
			return fn(condemned{c})
		},
		Replied: func(r Reply) {
			select {
			case replies <- r:
			default:
			}
		},
	}.Start()
	if r := <-replies; r.Conn != (condemned{c}) || r.Taken.Before(r.Asked) {
		t.Errorf("%+v", r)
	}
	got := run.Stop(func() { t.Error("aborted") })
	if got.Requests == 0 || got.Replied != got.Requests || got.DeadHandedOut != got.Requests ||
		got.Failed+got.Crossed+got.Unanswered+account.Duplicated() != 0 {
		t.Errorf("%+v", got)
	}
}
