package debugpage

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/pool"
)

// fakeWriter is a ResponseWriter that can stream, and notes what is done.
type fakeWriter struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
	writes    []time.Time
	fail      error // of the next write
}

func (w *fakeWriter) SetWriteDeadline(t time.Time) error {
	w.deadlines = append(w.deadlines, t)
	return nil
}

func (w *fakeWriter) Write(b []byte) (int, error) {
	w.writes = append(w.writes, time.Now())
	if w.fail != nil {
		return 0, w.fail
	}
	return w.ResponseRecorder.Write(b)
}

func (w *fakeWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// live is a pool whose snapshots are of now.
func live(t testing.TB) func() pool.Snapshot {
	s := wellSnapshot(t, "users")
	return func() pool.Snapshot {
		now := s
		now.At = time.Now()
		return now
	}
}

func TestAStreamSendsThePageEverySecondForAMinuteWithADeadlineForEachWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWriter{ResponseRecorder: httptest.NewRecorder()}
		start := time.Now()
		Handler(live(t)).ServeHTTP(w, request("/", "Accept", "text/event-stream"))
		if took := time.Since(start); took != streamLasts {
			t.Errorf("it lasted for %v", took)
		}
		if n := len(w.writes); n < 60 || n > 61 || w.writes[1].Sub(w.writes[0]) != time.Second {
			t.Errorf("%d events, the second %v after the first", n, w.writes[1].Sub(w.writes[0]))
		}
		for i, at := range w.writes {
			if d := w.deadlines[i+1]; d.Sub(at) != writeWithin {
				t.Errorf("write %d has %v", i, d.Sub(at))
			}
		}
		events := strings.Split(strings.TrimSuffix(w.Body.String(), "\n\n"), "\n\n")
		if len(events) != len(w.writes) || !strings.HasPrefix(events[0], "retry: 1000\nevent: page\ndata: <!DOCTYPE html>\ndata: ") {
			t.Errorf("%d events of %d writes, the first is %.200q", len(events), len(w.writes), events[0])
		}
		if w.Header().Get("Content-Type") != "text/event-stream" || w.Header().Get("Connection") != "close" {
			t.Errorf("%v", w.Header())
		}
	})
}

func TestAnEventIsOneWhateverEndsItsLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := outageSnapshot(t)
		s.Dial = errors.New(hostile)
		w := &fakeWriter{ResponseRecorder: httptest.NewRecorder()}
		Handler(always(s)).ServeHTTP(w, request("/", "Accept", "text/event-stream"))
		if strings.Contains(w.Body.String(), "\r") || strings.Contains(w.Body.String(), "\nevent: end") {
			t.Errorf("%q", w.Body)
		}
	})
}

func TestAStreamEndsWhenItsReaderDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWriter{ResponseRecorder: httptest.NewRecorder(), fail: errors.New("i/o timeout")}
		start := time.Now()
		Handler(live(t)).ServeHTTP(w, request("/?format=stream"))
		if took := time.Since(start); took != 0 || len(w.writes) != 1 {
			t.Errorf("it ended after %v and %d writes", took, len(w.writes))
		}
	})
}

func TestThereAreAtMostSoManyStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := Handler(live(t))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range streamsMost {
			wg.Go(func() {
				h.ServeHTTP(&fakeWriter{ResponseRecorder: httptest.NewRecorder()}, request("/?format=stream").WithContext(ctx))
			})
		}
		synctest.Wait()
		w := &fakeWriter{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, request("/?format=stream"))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("one more has %d", w.Code)
		}
		if w := get(h, "/"); w.Code != 200 {
			t.Errorf("who asks again and again has %d", w.Code)
		}
		cancel()
		wg.Wait()
		w = &fakeWriter{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, request("/?format=stream"))
		if w.Code != 200 {
			t.Errorf("one after that has %d", w.Code)
		}
	})
}

func TestWhereAStreamIsNotPossibleThePageSaysSo(t *testing.T) {
	t.Parallel()
	h := Handler(live(t))
	timeout := http.TimeoutHandler(h, time.Minute, "too late")
	for name, h := range map[string]http.Handler{"TimeoutHandler": timeout, "a writer without deadlines": h} {
		w := httptest.NewRecorder()
		r := request("/?format=stream")
		h.ServeHTTP(w, r)
		if w.Code != http.StatusNotImplemented || w.Header().Get("Content-Type") != contentTypes[formText] {
			t.Errorf("%s: %d, %v", name, w.Code, w.Header())
		}
		if w := get(h, "/"); w.Code != 200 || !strings.Contains(w.Body.String(), "users") {
			t.Errorf("%s: the page itself is %d", name, w.Code)
		}
	}
}

// serve has a real server serve h.
func serve(t *testing.T, server *http.Server) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() { server.Close(); <-done })
	return "http://" + l.Addr().String() + "/"
}

// open opens a stream, and returns it after its first event.
func open(t *testing.T, url string) *bufio.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != 200 {
		t.Fatal(answer.Status)
	}
	in := bufio.NewReader(answer.Body)
	event(t, in)
	return in
}

// event reads one.
func event(t *testing.T, in *bufio.Reader) (text string) {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("%v, after %q", err, text)
		}
		if line == "\n" {
			return text
		}
		text += line
	}
}

func TestStreamsEndWhenTheServerShutsDown(t *testing.T) {
	t.Parallel()
	server := &http.Server{Handler: Handler(live(t))}
	url := serve(t, server)
	in := open(t, url)
	open(t, url)
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v after %v", err, time.Since(start))
	}
	for _, err := in.ReadString('\n'); err == nil; _, err = in.ReadString('\n') { // until its end
	}
}

func TestAStreamOutlastsTheWriteTimeout(t *testing.T) {
	t.Parallel()
	server := &http.Server{Handler: Handler(live(t)), WriteTimeout: 500 * time.Millisecond}
	in := open(t, serve(t, server))
	for range 2 { // at 1 s and at 2 s
		if !strings.Contains(event(t, in), "event: page") {
			t.Error("no page")
		}
	}
}

func TestAStreamEndsWhenItsPoolIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoints := []Endpoint{{Name: "db1", Pool: wellSnapshot(t, "")}}
		p := &Page{Clusters: []func() Cluster{func() Cluster { return Cluster{Name: "db", Endpoints: endpoints} }}}
		time.AfterFunc(2500*time.Millisecond, func() { p.mu.Lock(); endpoints = nil; p.mu.Unlock() })
		start := time.Now()
		p.ServeHTTP(&fakeWriter{ResponseRecorder: httptest.NewRecorder()}, request("/?pool=db/db1&format=stream"))
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it ended after %v", took)
		}
	})
}
