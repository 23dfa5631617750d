package grpchale

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/trial"
	"example.com/hale/internal/lab/trial/trialtest"
	"example.com/hale/pool"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// within is a context for an exchange that is expected to succeed at once.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, address string, d *hale.Dialer) *grpc.ClientConn {
	t.Helper()
	cc, err := NewClient(address, d.DialContext, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

// lost is how many errors an idle client may see: a stream that has ended is
// not opened again by gRPC, so its user is told.
var lost = map[string]int{"grpc-go, streams": 1}

func TestEveryClientKeepsThePromise(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	for _, r := range trialtest.KeepsThePromise(t, s, Clients()) {
		if r.Load == trial.Idle && len(r.Errors) > lost[r.Client.Name] {
			t.Errorf("%s, idle: %v, but nothing was under way", r.Client.Name, r.Errors)
		}
	}
}

func TestCallsAndStreamsWorkUnchanged(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	conns := make(chan *hale.Conn, 8)
	d := trialtest.Dialer()
	d.Observer = &hale.Observer{DialDone: func(_ context.Context, i hale.DialDoneInfo) { conns <- i.Conn }}
	cc := client(t, s.Addr, d)
	if err := call(within(t, 10*time.Second), cc); err != nil {
		t.Fatal(err)
	}
	stream, err := OpenStream(within(t, 10*time.Second), cc)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two", "three"} {
		if err := (&line{Stream: stream}).exchange(text); err != nil {
			t.Fatal(err)
		}
	}
	if conn := <-conns; conn.Err() != nil || conn.Meter().Written() == 0 || len(conns) != 0 {
		t.Errorf("%v, %d bytes, %d more connections", conn.Err(), conn.Meter().Written(), len(conns))
	}
}

// A stream that waits for news sends nothing, so only keepalive can tell.
func TestAStreamThatWaitsEndsWithTheCause(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	cc := client(t, s.Addr, trialtest.Dialer())
	stream, err := OpenStream(within(t, 30*time.Second), cc)
	if err == nil {
		err = stream.Send(wrapperspb.String("a stream begins with its first message"))
	}
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	trialtest.Vanish(t, s)
	start := time.Now()
	_, err = stream.Recv()
	if took := time.Since(start); took > trialtest.Longest {
		t.Errorf("took %v, promised %v", took, trialtest.Promise)
	}
	t.Log(err)
	if status.Code(err) != codes.Unavailable || !trial.Cause(err).Silent() {
		t.Errorf("%v, want Unavailable and that the server was silent", err)
	}
	// grpc-go keeps the text only. The day that this fails, say so in NewClient.
	if _, ok := errors.AsType[*health.DeadError](err); ok {
		t.Error("the error underneath is there")
	}
}

func newPool(t *testing.T, address string, maxConns int) *pool.Pool[*grpc.ClientConn] {
	t.Helper()
	p, err := NewPool(address, trialtest.Dialer().DialContext, maxConns, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestThePoolKeepsAConnectionForEachClient(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, Server)
	p := newPool(t, s.Addr, 2)
	for range 200 {
		if err := p.Do(within(t, 10*time.Second), call); err != nil {
			t.Fatal(err)
		}
	}
	if stats := p.Stats(); stats.Dials != 1 || len(stats.Recycled) != 0 {
		t.Errorf("%d dials for 200 calls one after the other, recycled %v", stats.Dials, stats.Recycled)
	}
	first, err1 := p.Acquire(within(t, 10*time.Second))
	second, err2 := p.Acquire(within(t, 10*time.Second))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	defer second.Release()
	defer first.Release()
	if stats := p.Stats(); first.Value() == second.Value() || stats.Dials != 2 {
		t.Errorf("two clients at a time are one: %+v", stats)
	}
}

func TestWhatIsNoServerIsNotPooled(t *testing.T) {
	t.Parallel()
	conn, peer := testnet.Pair(t)
	peer.Close()
	ctx := within(t, 10*time.Second)
	if cc, err := open(ctx, conn, "nobody", []grpc.DialOption{plaintext}); err == nil || ctx.Err() != nil {
		t.Errorf("%v, %v", cc, err)
	}
}

func TestTheTableNamesEachClientOnce(t *testing.T) {
	var names []string
	for _, c := range Clients() {
		names = append(names, c.Name)
	}
	if slices.Sort(names); len(slices.Compact(names)) != len(Clients()) || slices.Contains(names, "") {
		t.Error(names)
	}
}
