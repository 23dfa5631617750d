package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/hale/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var options = Options{
	Warm: time.Second, Away: 3 * time.Second, Limit: 30 * time.Second,
	Workers: 2, Pause: 100 * time.Millisecond, Idle: 6 * time.Second,
}

// latency is of a fake request that is answered.
const latency = 10 * time.Millisecond

// fake is a server that tells its clients everything.
type fake struct {
	vanished chan struct{}
	replaced chan struct{}
}

func newFake() *fake {
	return &fake{vanished: make(chan struct{}), replaced: make(chan struct{})}
}

func (f *fake) Vanish() error  { close(f.vanished); return nil }
func (f *fake) Replace() error { close(f.replaced); return nil }

func (f *fake) gone() bool {
	select {
	case <-f.vanished:
		return true
	default:
		return false
	}
}

// client is one whose requests do what the server lets them do, by request
// once it has vanished.
func (f *fake) client(request func(ctx context.Context) error) Client {
	return Client{Name: "fake", Open: func(context.Context, string, Dial) (Session, error) {
		return Session{
			Request: func(ctx context.Context) error {
				select {
				case <-time.After(latency):
				case <-f.vanished:
				}
				if f.gone() {
					return request(ctx)
				}
				return nil
			},
			Close: func() error { return nil },
		}, nil
	}}
}

// hangs is a request that is never answered.
func hangs(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func replies(context.Context) error {
	time.Sleep(latency)
	return nil
}

var errDead = &health.DeadError{Cause: health.SendTimeout, Op: "read", Err: syscall.ETIMEDOUT}

var errReset = &health.DeadError{Cause: health.Reset, Op: "read", Err: errors.New("reset")}

// diesAfter is a request that fails once the server has been gone for d, and
// is answered after that.
func diesAfter(d time.Duration) func(context.Context) error {
	var died atomic.Int32
	return func(ctx context.Context) error {
		if died.Add(1) <= 2 {
			time.Sleep(d)
			return errDead
		}
		return replies(ctx)
	}
}

// in runs a trial of one client in a bubble.
func in(t *testing.T, load Load, request func(context.Context) error) (r Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		results, err := Run(t.Context(), f, "", []Way{{Client: f.client(request), Load: load}}, options)
		if err != nil {
			t.Fatal(err)
		}
		r = results[0]
	})
	return r
}

// between checks a time that is least or up to more above it, and up to a pause
// longer: the server vanishes in the middle of a request or between two.
func between(t *testing.T, what string, got, least, more time.Duration) {
	t.Helper()
	if most := least + more + options.Pause; got < least || got > most {
		t.Errorf("%s %v, want %v to %v", what, got, least, most)
	}
}

func TestAClientThatHangsIsCutShortAtTheEnd(t *testing.T) {
	r := in(t, Busy, hangs)
	if r.Hung != options.Workers || len(r.Errors) != 0 || r.Noticed != 0 || r.Recovered != 0 {
		t.Errorf("%+v", r)
	}
	between(t, "stalled for", r.Stall, options.Limit+patience-options.Pause, latency)
	// Ten in the second before, by each of two.
	if r.Requests < 16 || r.Requests > 20 {
		t.Errorf("%d requests answered", r.Requests)
	}
}

func TestAnIdleClientAsksAfterTheSilence(t *testing.T) {
	r := in(t, Idle, hangs)
	want := options.Limit + patience - options.Idle
	if r.Hung != 1 || r.Stall != want || r.Requests != 0 {
		t.Errorf("%+v, want one that stalled for %v", r, want)
	}
}

func TestAClientThatKnowsAnswersAtOnce(t *testing.T) {
	r := in(t, Idle, replies)
	if r.Hung != 0 || r.Stall != latency || len(r.Errors) != 0 || r.Recovered != options.Idle+latency {
		t.Errorf("%+v", r)
	}
}

func TestAClientThatNoticesRecovers(t *testing.T) {
	const notices = 4 * time.Second
	r := in(t, Busy, diesAfter(notices))
	if r.Hung != 0 || len(r.Errors) != options.Workers {
		t.Errorf("%+v", r)
	}
	between(t, "stalled for", r.Stall, notices, latency)
	between(t, "noticed after", r.Noticed, notices, 0)
	between(t, "recovered after", r.Recovered, notices+options.Pause+latency, latency)
	if got := r.Causes(); !slices.Equal(got, []health.Cause{health.SendTimeout}) {
		t.Errorf("causes %v", got)
	}
	if err := r.Unexplained(); err != nil {
		t.Error(err)
	}
}

// A request that is under way at the end and answered in time is no stall.
func TestARequestUnderWayAtTheEndIsWaitedFor(t *testing.T) {
	const slow = patience / 2
	r := in(t, Busy, func(context.Context) error { time.Sleep(slow); return nil })
	if r.Hung != 0 || len(r.Errors) != 0 || r.Stall > slow+latency {
		t.Errorf("%+v", r)
	}
}

func TestTheServerVanishesAndIsReplacedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		start := time.Now()
		var gone, back time.Duration
		done := make(chan struct{})
		go func() {
			defer close(done)
			<-f.vanished
			gone = time.Since(start)
			<-f.replaced
			back = time.Since(start)
		}()
		if _, err := Run(t.Context(), f, "", nil, options); err != nil {
			t.Fatal(err)
		}
		<-done
		if gone != options.Warm || back != options.Warm+options.Away {
			t.Errorf("vanished after %v, replaced after %v", gone, back)
		}
		if took := time.Since(start); took != options.Warm+options.Limit {
			t.Errorf("took %v: nobody hung, so there is nothing to wait for", took)
		}
	})
}

func TestAClientThatCannotOpenEndsTheTrialAndClosesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, refused, closed := newFake(), errors.New("refused"), 0
		good := Client{Name: "good", Open: func(context.Context, string, Dial) (Session, error) {
			return Session{Request: replies, Close: func() error { closed++; return nil }}, nil
		}}
		bad := Client{Name: "bad", Open: func(context.Context, string, Dial) (Session, error) { return Session{}, refused }}
		mute := Client{Name: "mute", Open: func(context.Context, string, Dial) (Session, error) {
			return Session{Request: func(context.Context) error { return refused }, Close: func() error { closed++; return nil }}, nil
		}}
		for i, c := range []Client{bad, mute} {
			_, err := Run(t.Context(), f, "", []Way{{Client: good, Load: Busy}, {Client: c, Load: Busy}}, options)
			if !errors.Is(err, refused) || !strings.Contains(err.Error(), c.Name) {
				t.Errorf("%v, want %s %v", err, c.Name, refused)
			}
			if want := []int{1, 3}[i]; closed != want || f.gone() {
				t.Errorf("%d closed, want %d; gone: %t", closed, want, f.gone())
			}
		}
	})
}

type broken struct{ vanish, replace error }

func (b broken) Vanish() error  { return b.vanish }
func (b broken) Replace() error { return b.replace }

func TestAServerThatDoesNotVanishIsAnError(t *testing.T) {
	for _, s := range []broken{{vanish: os.ErrPermission}, {replace: os.ErrPermission}} {
		synctest.Test(t, func(t *testing.T) {
			ways := []Way{{Client: newFake().client(hangs), Load: Busy}}
			if _, err := Run(t.Context(), s, "", ways, options); !errors.Is(err, os.ErrPermission) {
				t.Error(err)
			}
		})
	}
}

func TestATrialCanBeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start, f := time.Now(), newFake()
		_, err := Run(ctx, f, "", []Way{{Client: f.client(hangs), Load: Busy}, {Client: f.client(hangs), Load: Idle}}, options)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 5*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestOptionsThatCannotBeAreNamed(t *testing.T) {
	for name, spoil := range map[string]func(*Options){
		"Warm":    func(o *Options) { o.Warm = 0 },
		"Away":    func(o *Options) { o.Away = -1 },
		"Pause":   func(o *Options) { o.Pause = 0 },
		"Idle":    func(o *Options) { o.Idle = 0 },
		"Workers": func(o *Options) { o.Workers = 0 },
		"Limit":   func(o *Options) { o.Limit = o.Idle },
	} {
		o := options
		spoil(&o)
		if _, err := Run(t.Context(), newFake(), "", nil, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCauseIsFoundInTheChainOrInTheText(t *testing.T) {
	for _, c := range []struct {
		err  error
		want health.Cause
	}{
		{nil, health.Unknown},
		{errDead, health.SendTimeout},
		{fmt.Errorf("query: %w", errDead), health.SendTimeout},
		{fmt.Errorf("rpc error: code = Unavailable desc = %v", errDead), health.SendTimeout},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, health.Unknown},
		{errors.New("timeout"), health.Unknown},
	} {
		if got := Cause(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
	two := Result{Errors: []error{errDead, errReset, errDead, errors.New("no idea")}}
	if got := two.Causes(); !slices.Equal(got, []health.Cause{health.SendTimeout, health.Reset}) {
		t.Error(got)
	}
	if err := two.Unexplained(); err == nil || err.Error() != "no idea" {
		t.Error(err)
	}
}

func TestDialedClosesWhatItHasDialledAndDialsNoMore(t *testing.T) {
	refused, peers := errors.New("refused"), make(chan net.Conn, 2)
	d := Dialed{Inner: func(_ context.Context, network, _ string) (net.Conn, error) {
		if network != "tcp" {
			return nil, refused
		}
		ours, theirs := net.Pipe()
		peers <- theirs
		return ours, nil
	}}
	if _, err := d.DialContext(t.Context(), "udp", ""); err != refused {
		t.Error(err)
	}
	if c, err := d.DialContext(t.Context(), "tcp", ""); c == nil || err != nil {
		t.Fatal(c, err)
	}
	d.Close()
	if late, err := d.DialContext(t.Context(), "tcp", ""); late != nil || err != net.ErrClosed {
		t.Error(late, err)
	}
	for range 2 {
		if _, err := (<-peers).Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%v, want that it is closed", err)
		}
	}
}
