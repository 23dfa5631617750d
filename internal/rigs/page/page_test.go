package page

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"example.com/hale"
	"example.com/hale/internal/lab/loadtest"
	"example.com/hale/internal/lab/testnet"
	"example.com/hale/pool"
	"example.com/hale/pool/debugpage"
	"example.com/hale/sockopt"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// scene is two pools and their page.
type scene struct {
	orders, users *loadtest.Server // what they lead to
	pool          *pool.Pool[net.Conn]
	page          *debugpage.Page
	server        *http.Server
	url           string
	streams       atomic.Int32 // open now
}

// newScene serves a page of a pool named orders, and perhaps of one named users. wrap
// may be nil.
func newScene(t testing.TB, users bool, wrap func(http.Handler) http.Handler) *scene {
	t.Helper()
	s := &scene{page: &debugpage.Page{Title: "shop"}}
	s.orders = serve(t)
	s.pool = s.open(t, "orders", s.orders)
	if users {
		s.users = serve(t)
		s.open(t, "users", s.users)
	}
	handler := http.Handler(http.HandlerFunc(s.count))
	if wrap != nil {
		handler = wrap(handler)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String() + "/debug/hale"
	s.server = &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.server.Serve(l)
	}()
	t.Cleanup(func() { s.server.Close(); <-done })
	return s
}

// count counts the streams.
func (s *scene) count(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Accept") == "text/event-stream" {
		s.streams.Add(1)
		defer s.streams.Add(-1)
	}
	s.page.ServeHTTP(w, r)
}

func serve(t testing.TB) *loadtest.Server {
	t.Helper()
	server, err := loadtest.Serve("server", new(loadtest.Account))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// open opens a pool whose connections notice within five seconds that their server
// is gone, one of which is in use.
func (s *scene) open(t testing.TB, name string, server *loadtest.Server) *pool.Pool[net.Conn] {
	t.Helper()
	dialer := hale.Dialer{KeepAlive: sockopt.Within(5 * time.Second)}
	p, err := pool.New(pool.Config[net.Conn]{
		Name: name,
		Dial: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", server.Addr())
		},
		MaxConns: 12, MinConns: 8, DialTimeout: 500 * time.Millisecond, LeakAfter: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Release)
	s.page.Pools = append(s.page.Pools, p.Snapshot)
	return p
}

const word = `document.querySelector('.pool .state strong').textContent`

// shows waits until the first pool is in a state.
func (b *browser) shows(state string) {
	b.Helper()
	b.until(word + ` === '` + state + `'`)
}

// fits fails the test unless the page is as wide as the window, at each width, and can be
// read by everybody.
func (b *browser) fits(what string) {
	b.Helper()
	for _, width := range []int64{375, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			b.as(width, scheme)
			if got := eval[int64](b, "document.documentElement.scrollWidth"); got != width {
				b.Errorf("%s is %d wide in a window of %d", what, got, width)
			}
			b.isAccessible(fmt.Sprintf("%s at %d, %s", what, width, scheme))
			b.shoot(fmt.Sprintf("%s-%d-%s", what, width, scheme))
		}
	}
}

// The first claim of the page: who looks at it sees a server go and come back.
func TestAFrozenServerIsSeenToTurnSuspectAndOutageAndHealed(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	s := newScene(t, false, nil)
	b := open(t, s.url)
	b.as(1280, "dark")
	b.do(chromedp.Navigate(s.url))
	b.shows("well")
	b.until(`document.getElementById('how').textContent === 'live'`)
	eval[bool](b, `globalThis.told = [], new MutationObserver(() => {
		const text = document.querySelector('main [role=status]').textContent;
		if (told.at(-1) !== text) told.push(text);
	}).observe(document.querySelector('main'), {subtree: true, childList: true, characterData: true}), true`)
	b.fits("well")
	if err := s.orders.Freeze(); err != nil {
		t.Fatal(err)
	}
	b.shows("suspect")
	b.until(`document.querySelectorAll('tr.c-suspect').length > 0`)
	b.as(1280, "light")
	b.shoot("suspect")
	b.shows("outage")
	b.until(`document.querySelector('.doing').textContent.includes('keepalive_timeout, attempt ')`)
	b.until(`document.querySelectorAll('svg.outage .tick').length > 2`)
	b.fits("outage")
	if err := s.orders.Thaw(); err != nil {
		t.Fatal(err)
	}
	b.shows("well")
	b.until(`document.querySelector('.l-healed') !== null`)
	b.fits("healed")
	want := []string{"orders: suspect", "orders: outage", "all is well"}
	told := eval[[]string](b, "told")
	told = slices.DeleteFunc(told, func(text string) bool { return text == "orders: probing" }) // for a moment, perhaps
	if first := slices.Index(told, want[0]); first < 0 || !slices.Equal(slices.Compact(told[first:]), want) {
		t.Errorf("a screen reader was told %q, want %q", told, want)
	}
	b.noComplaints()
}

func TestTheKeyboardLeadsThroughThePageInOrderAndTheFocusStays(t *testing.T) {
	t.Parallel()
	s := newScene(t, true, nil)
	b := open(t, s.url)
	b.as(1280, "light")
	b.do(chromedp.Navigate(s.url))
	b.until(`document.getElementById('how').textContent === 'live'`)
	focus := func() string { return eval[string](b, `document.activeElement.innerText.trim()`) }
	for _, want := range []string{"orders", "users", "JSON", "text"} {
		b.do(chromedp.KeyEvent(kb.Tab))
		if got := focus(); got != want {
			t.Errorf("the focus is on %q, want %q", got, want)
		}
	}
	b.fits("overview")
	b.do(chromedp.Navigate(s.url), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.until(`location.search === '?pool=orders' && document.querySelector('table') !== null`)
	b.do(chromedp.KeyEvent(kb.Tab))
	if got := focus(); got != "All pools" {
		t.Errorf("the focus is on %q", got)
	}
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter)) // who holds it
	at := eval[string](b, `document.getElementById('clock').textContent`)
	b.until(`document.getElementById('clock').textContent > '` + at + `' && document.querySelector('details').open`)
	if got := focus(); !strings.HasPrefix(got, "page.(*scene).open") {
		t.Errorf("after a second the focus is on %q", got)
	}
	b.noComplaints()
}

func TestAScreenReaderFindsATableAtEveryWidth(t *testing.T) {
	t.Parallel()
	s := newScene(t, false, nil)
	b := open(t, s.url)
	for _, width := range []int64{375, 1280} {
		b.as(width, "light")
		b.do(chromedp.Navigate(s.url))
		b.until(`document.querySelectorAll('tbody tr').length === 8`)
		if got := b.named("table"); !slices.Equal(got, []string{"Connections"}) {
			t.Errorf("at %d the tables are %q", width, got)
		}
		if rows := len(b.named("row")); rows < 8 {
			t.Errorf("at %d there are %d rows", width, rows)
		}
		if got := b.named("heading"); !slices.Equal(got, []string{"hale shop", "orders"}) {
			t.Errorf("at %d the headings are %q", width, got)
		}
		if got := b.named("image"); !slices.Contains(got, "Last 15 min: no outage") || !slices.Contains(got, "1 in use, 7 idle, 0 quarantined, 0 dialing, of 12") {
			t.Errorf("at %d the images are %q", width, got)
		}
	}
	b.noComplaints()
}

func TestAPageThatIsHiddenClosesItsStream(t *testing.T) {
	t.Parallel()
	s := newScene(t, false, nil)
	b := open(t, s.url)
	b.do(chromedp.Navigate(s.url))
	open := func(want int32) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); s.streams.Load() != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d streams are open, want %d", s.streams.Load(), want)
			}
		}
	}
	open(1)
	const hide = `Object.defineProperty(document, 'hidden', {value: %v, configurable: true}), document.dispatchEvent(new Event('visibilitychange'))`
	eval[bool](b, fmt.Sprintf(hide, true))
	open(0)
	b.until(`document.getElementById('how').textContent === 'paused since'`)
	eval[bool](b, fmt.Sprintf(hide, false))
	open(1)
	b.until(`document.getElementById('how').textContent === 'live'`)
	b.noComplaints()
}

func TestWhereNothingCanBeStreamedThePageAsksAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, false, func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "too late") })
	b := open(t, s.url)
	b.do(chromedp.Navigate(s.url))
	b.until(`document.getElementById('how').textContent === 'asking again and again'`)
	at := eval[string](b, `document.getElementById('clock').textContent`)
	b.until(`document.getElementById('clock').textContent > '` + at + `'`)
}

// holdsBack is what a middleware that compresses may give a handler: who asks for the
// writer below can flush that one, and sends nothing of what is held here.
type holdsBack struct {
	http.ResponseWriter
	held []byte
}

func (w *holdsBack) Write(b []byte) (int, error)          { w.held = append(w.held, b...); return len(b), nil }
func (w *holdsBack) WriteString(text string) (int, error) { return w.Write([]byte(text)) }
func (w *holdsBack) Unwrap() http.ResponseWriter          { return w.ResponseWriter }

func TestWhereAStreamIsHeldBackThePageAsksAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, false, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			held := &holdsBack{ResponseWriter: w}
			h.ServeHTTP(held, r)
			_, _ = w.Write(held.held)
		})
	})
	b := open(t, s.url)
	b.do(chromedp.Navigate(s.url))
	b.until(`document.getElementById('how').textContent === 'asking again and again'`)
	at := eval[string](b, `document.getElementById('clock').textContent`)
	b.until(`document.getElementById('clock').textContent > '` + at + `'`)
	b.noComplaints()
}

func TestAPageWhosePoolIsGoneSaysSo(t *testing.T) {
	t.Parallel()
	s := newScene(t, false, nil)
	gone := atomic.Bool{}
	s.page.Clusters = []func() debugpage.Cluster{func() (c debugpage.Cluster) {
		if c.Name = "db"; !gone.Load() {
			c.Endpoints = []debugpage.Endpoint{{Name: "db1", Pool: s.pool.Snapshot()}}
		}
		return c
	}}
	b := open(t, s.url)
	b.do(chromedp.Navigate(s.url + "?pool=db/db1"))
	b.until(`document.getElementById('how').textContent === 'live'`)
	gone.Store(true)
	b.until(`document.getElementById('how').textContent === 'gone since' && document.getElementById('lost').textContent === 'This pool is gone'`)
}

func TestAPageWhoseProgramIsGoneSaysSo(t *testing.T) {
	t.Parallel()
	s := newScene(t, false, nil)
	b := open(t, s.url)
	b.do(chromedp.Navigate(s.url))
	b.until(`document.getElementById('how').textContent === 'live'`)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil { // the stream ends by itself
		t.Error(err)
	}
	b.until(`document.getElementById('how').textContent === 'no answer since' && document.getElementById('lost').textContent !== ''`)
}
