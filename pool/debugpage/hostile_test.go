package debugpage

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/pool"
)

// Lines and columns in names and errors are not those of the text.
func TestANameCannotAddALineOrAColumnToTheText(t *testing.T) {
	t.Parallel()
	s := outageSnapshot(t)
	s.Dial = errors.New("no\n\nusers: well\n  places   0 in use")
	s.Conns[0].State = "idle\tremote"
	p := &Page{Title: "shop\nall is well", Pools: []func() pool.Snapshot{always(s)}, Clusters: []func() Cluster{func() Cluster {
		return Cluster{Name: "db\nletters: well", Endpoints: []Endpoint{{Name: "db1\tprimary\u2028", Role: "a\vb", Pool: s}}}
	}}}
	text := get(p, "/?pool=orders&format=text").Body.String() + get(p, "/?format=text").Body.String()
	for line := range strings.Lines(text) {
		if m := regexp.MustCompile(`^(users|letters|all is well|  places   0)`).FindString(line); m != "" || strings.ContainsAny(line, "\t\v\u2028") {
			t.Errorf("%q in\n%s", line, text)
		}
	}
}

func TestWithoutPoolsNothingIsCalledWell(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"text/html", "application/json", "*/*"} {
		if w := get(Handler(), "/", "Accept", accept); w.Code != 200 || !strings.Contains(w.Body.String(), "no pool was given to this page") || strings.Contains(w.Body.String(), "all is well") {
			t.Errorf("%d: %s", w.Code, strip(w.Body.String()))
		}
	}
}

// expvar leaves out the value, and so breaks the JSON of all, if one cannot be written.
func TestAShareThatIsNoNumberBreaksNothing(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]float64{math.NaN(): 0, math.Inf(1): 1, math.Inf(-1): 0, 0.25: 0.25, 60: 1} {
		p := &Page{Clusters: []func() Cluster{func() Cluster {
			return Cluster{Name: "db", Endpoints: []Endpoint{{Name: "db1", Share: x, Pool: wellSnapshot(t, "")}}}
		}}}
		var v any
		if err := json.Unmarshal([]byte(expvar.Func(p.Var).String()), &v); err != nil || at(v, "clusters", 0, "endpoints", 0, "share") != want {
			t.Errorf("%v: %v, %v", x, v, err)
		}
		if w := get(p, "/"); w.Code != 200 || strings.Contains(w.Body.String(), "NaN") {
			t.Errorf("%v: %d", x, w.Code)
		}
	}
}

// What was shown last has connections in it, and their sessions.
func TestTheLastLookIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &Page{Pools: []func() pool.Snapshot{live(t)}}
		get(p, "/")
		time.Sleep(lookLasts / 2)
		get(p, "/")
		time.Sleep(lookLasts / 2)
		synctest.Wait()
		if p.last != nil {
			t.Error("it is still there")
		}
	})
}

func TestWhereverItIsMountedItsLinksLeadToItself(t *testing.T) {
	t.Parallel()
	s := wellSnapshot(t, "users")
	s.Conns = conns(t, 60)
	mux := http.NewServeMux()
	mux.Handle("/debug/hale", Handler(always(s)))
	mux.Handle("/a/", http.StripPrefix("/a", Handler(always(s), always(outageSnapshot(t)))))
	for _, target := range []string{"/debug/hale", "/a/", "/a/b/c", "/a/?pool=users"} {
		w := get(mux, target)
		links := regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(strip(w.Body.String()), -1)
		if w.Code != 200 || len(links) < 3 {
			t.Fatalf("%s: %d, %d links", target, w.Code, len(links))
		}
		for _, link := range links {
			if !strings.HasPrefix(link[1], "?") && !strings.HasPrefix(link[1], "#") && link[1] != "data:," {
				t.Errorf("%s has a link to %s", target, link[1])
			}
		}
	}
}

func TestOverHTTP2ItStreamsToo(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(Handler(live(t)))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/?format=stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != 200 || answer.Header.Get("Connection") != "" {
		t.Fatalf("%s %s %v", answer.Proto, answer.Status, answer.Header)
	}
	buf := make([]byte, 64)
	if n, err := answer.Body.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "retry: 1000\nevent: page\n") {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

// neverRead is the writer of somebody who does not read: it blocks until its deadline.
type neverRead struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *neverRead) SetWriteDeadline(t time.Time) error { w.until = t; return nil }
func (w *neverRead) WriteString(s string) (int, error)  { return w.Write(nil) }
func (w *neverRead) Write([]byte) (int, error) {
	time.Sleep(time.Until(w.until))
	return 0, errors.New("i/o timeout")
}

func TestAHundredWhoNeverReadTakeFewPlacesForAFewSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := Handler(live(t))
		var refused, held atomic.Int32
		var wg sync.WaitGroup
		start := time.Now()
		for range 100 {
			wg.Go(func() {
				w := &neverRead{ResponseRecorder: httptest.NewRecorder()}
				h.ServeHTTP(w, request("/?format=stream"))
				if w.Code == http.StatusServiceUnavailable || w.until.IsZero() {
					refused.Add(1)
				} else {
					held.Add(1)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != writeWithin || held.Load() != streamsMost || refused.Load() != 100-streamsMost {
			t.Errorf("after %v %d had had a place, and %d none", took, held.Load(), refused.Load())
		}
	})
}

// All of them are counted; what is sent has no more than a page of them.
func TestFiftyThousandConnectionsMakeNoLongerPage(t *testing.T) {
	t.Parallel()
	s := wellSnapshot(t, "users")
	s.Conns = conns(t, 50_000, 49_999)
	s.Stats.Conns = len(s.Conns)
	h := Handler(always(s), always(outageSnapshot(t)))
	for _, accept := range []string{"text/html", "application/json", "*/*"} {
		start := time.Now()
		all, one := get(h, "/", "Accept", accept), get(h, "/?pool=users", "Accept", accept)
		t.Log(accept, time.Since(start))
		if all.Body.Len() > 40_000 || one.Body.Len() > 100_000 || !strings.Contains(one.Body.String(), "1000") {
			t.Errorf("as %s: %d and %d bytes", accept, all.Body.Len(), one.Body.Len())
		}
	}
	if got := fmt.Sprint(at(decoded(t, h, "/?pool=users"), "pools", 0, "suspect")); got != "1" {
		t.Errorf("%s are suspect", got)
	}
}
