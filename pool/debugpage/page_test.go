package debugpage

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
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

func TestEveryAnswerHasTheHeadersThatGuardIt(t *testing.T) {
	t.Parallel()
	p := &Page{Pools: []func() pool.Snapshot{always(outageSnapshot(t))}, Hosts: []string{"example.com"}}
	for _, target := range []string{"/", "/?format=json", "/?format=text", "/?format=stream", "/?format=nonsense", "/?pool=none", "http://other.example/"} {
		w := get(p, target)
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY", "Vary": "Accept",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
		csp := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q has no %s", target, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s", target, csp)
		}
	}
}

func TestThePolicyAllowsTheStyleAndTheScriptOfThePageAndNothingElse(t *testing.T) {
	t.Parallel()
	w := get(Handler(always(outageSnapshot(t))), "/")
	for _, tag := range []string{"style", "script"} {
		found := regexp.MustCompile("(?s)<"+tag+">(.*?)</"+tag+">").FindAllStringSubmatch(w.Body.String(), -1)
		if len(found) != 1 {
			t.Fatalf("%d of %s", len(found), tag)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(w.Header().Get("Content-Security-Policy"), want) {
			t.Errorf("the policy has no %s", want)
		}
	}
	if m := regexp.MustCompile(`(?i)style=|\son[a-z]+=|https?://|//[a-z]|ZgotmplZ|\bNaN\b`).FindString(strip(w.Body.String())); m != "" {
		t.Errorf("the page has %q", m)
	}
}

// strip removes style and script.
func strip(page string) string {
	return regexp.MustCompile(`(?s)<(style|script)>.*?</(style|script)>`).ReplaceAllString(page, "")
}

func TestItAnswersGetAndHeadAlone(t *testing.T) {
	t.Parallel()
	h := Handler(always(wellSnapshot(t, "users")))
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"} {
		r := request("/")
		r.Method = method
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, allowed are %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
	for target, want := range map[string]int{"/": 200, "/?format=json": 200, "/?pool=none": 404} {
		r := request(target)
		r.Method = http.MethodHead
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want || w.Body.Len() > 0 || w.Header().Get("Content-Type") == "" {
			t.Errorf("HEAD %s: %d, %d bytes, %v", target, w.Code, w.Body.Len(), w.Header())
		}
	}
}

func TestTheFormIsThatOfTheParameterOrElseOfTheAcceptHeader(t *testing.T) {
	t.Parallel()
	h := Handler(always(wellSnapshot(t, "users")))
	const isHTML, isJSON, isText = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
	for _, test := range []struct{ target, accept, want string }{
		{"/", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", isHTML},
		{"/", "*/*", isText}, // curl, wget
		{"/", "", isText},
		{"/", "text/*", isText},
		{"/", "application/json", isJSON},
		{"/", "application/json, text/plain, */*", isJSON},
		{"/", "text/plain;q=0.9, application/json;q=0.2", isText},
		{"/", "text/html;q=0.1, application/json", isJSON},
		{"/", "text/html;q=0, application/json;q=0", isText},
		{"/", "text/html;q=many, nonsense;;, application/json;q=0.3", isJSON},
		{"/?format=json", "text/html", isJSON},
		{"/?format=text", "text/html", isText},
		{"/?format=html", "*/*", isHTML},
	} {
		if got := get(h, test.target, "Accept", test.accept).Header().Get("Content-Type"); got != test.want {
			t.Errorf("%s with %q is %s, want %s", test.target, test.accept, got, test.want)
		}
	}
}

func TestBadParametersAreNamed(t *testing.T) {
	t.Parallel()
	h := Handler(always(wellSnapshot(t, "users")))
	for target, want := range map[string]string{
		"/?format=xml":                "400 format \"xml\": want html, json, text or stream\n",
		"/?page=0":                    "400 page \"0\": want a number from 1\n",
		"/?page=-1":                   "400 page \"-1\": want a number from 1\n",
		"/?page=two":                  "400 page \"two\": want a number from 1\n",
		"/?page=99999999999999999999": "400 page \"99999999999999999999\": want a number from 1\n",
		"/?pool=none":                 "404 pool \"none\": there is none of that name\n",
		"/?pool=none&format=stream":   "404 pool \"none\": there is none of that name\n",
	} {
		w := get(h, target)
		if got := fmt.Sprint(w.Code, " ", w.Body); got != want || w.Header().Get("Content-Type") != contentTypes[formText] {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestHostsAreTheNamesUnderWhichItMayBeAsked(t *testing.T) {
	t.Parallel()
	p := &Page{Hosts: []string{"localhost", "::1", "10.0.0.1"}}
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:6060": 200, "[::1]:6060": 200, "[::1]": 200, "10.0.0.1:80": 200,
		"evil.example": 403, "evil.example:6060": 403, "localhost.evil.example": 403, "10.0.0.10": 403, "": 403,
	} {
		r := request("/")
		r.Host = host
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestAnotherSiteMayLeadAPersonHereAndNothingElse(t *testing.T) {
	t.Parallel()
	h := Handler(always(wellSnapshot(t, "users")))
	for _, test := range []struct {
		target, site, mode, dest string
		want                     int
	}{
		{"/", "", "", "", 200},
		{"/", "none", "navigate", "document", 200},
		{"/", "same-origin", "cors", "empty", 200},
		{"/?format=json", "same-origin", "cors", "empty", 200},
		{"/", "cross-site", "navigate", "document", 200},
		{"/", "cross-site", "navigate", "iframe", 403},
		{"/", "cross-site", "no-cors", "script", 403},
		{"/?format=json", "cross-site", "cors", "empty", 403},
		{"/?format=stream", "cross-site", "cors", "empty", 403},
		{"/?format=stream", "cross-site", "navigate", "document", 403},
	} {
		w := get(h, test.target, "Sec-Fetch-Site", test.site, "Sec-Fetch-Mode", test.mode, "Sec-Fetch-Dest", test.dest)
		if w.Code != test.want {
			t.Errorf("%+v: %d", test, w.Code)
		}
	}
}

const hostile = "<script>alert(1)</script>\"'&\r\n\r\nevent: end\r\ndata: x\revent: end\x1b[31m"

func TestWhatTheProgramAndItsServersSayIsEscaped(t *testing.T) {
	t.Parallel()
	s := outageSnapshot(t)
	s.Name, s.Dial = hostile, errors.New(hostile)
	s.Conns[0].Stack, s.Conns[0].State = hostile, hostile
	p := &Page{Title: hostile, Pools: []func() pool.Snapshot{always(s)}, Clusters: []func() Cluster{func() Cluster {
		return Cluster{Name: hostile, Endpoints: []Endpoint{{Name: hostile, Role: hostile, Ejected: true, Why: hostile, Pool: s}}}
	}}}
	for _, target := range []string{"/", "/?pool=" + strings.NewReplacer("\r", "%0d", "\n", "%0a", "\x1b", "%1b", "&", "%26", " ", "%20", "<", "%3c", ">", "%3e", "\"", "%22", "[", "%5b").Replace(hostile)} {
		w := get(p, target)
		if w.Code != 200 || strings.Contains(strip(w.Body.String()), "<script>") || !strings.Contains(w.Body.String(), "&lt;script&gt;") {
			t.Errorf("%d: %s", w.Code, strip(w.Body.String()))
		}
		if text := get(p, target, "Accept", "*/*").Body.String(); strings.ContainsAny(text, "\x1b\r\x00") {
			t.Errorf("%q", text)
		}
		if err := json.Unmarshal(get(p, target, "Accept", "application/json").Body.Bytes(), new(any)); err != nil {
			t.Error(err)
		}
	}
}

func TestThousandsOfConnectionsArePagedAndThoseInDoubtComeFirst(t *testing.T) {
	t.Parallel()
	s := wellSnapshot(t, "users")
	s.Conns = conns(t, 5000, 4321, 77)
	s.Stats.Conns = 5000
	h := Handler(always(s))
	w := get(h, "/")
	if n := strings.Count(w.Body.String(), "<tr data-key"); n != pageSize || w.Body.Len() > 100_000 {
		t.Errorf("%d rows, %d bytes", n, w.Body.Len())
	}
	if !strings.Contains(w.Body.String(), `href="?page=2&amp;pool=users"`) || strings.Contains(w.Body.String(), `rel="prev"`) {
		t.Error("the next page is not linked, or one before the first is")
	}
	numbers := func(page string) (n []int) {
		for _, c := range at(decoded(t, h, "/?page="+page), "pools", 0, "connections").([]any) {
			n = append(n, int(at(c, "number").(float64)))
		}
		return n
	}
	if got := fmt.Sprint(numbers("1")[:4], len(numbers("1"))); got != "[77 4321 1 2] 50" {
		t.Errorf("the first page is %s", got)
	}
	last := numbers("100")
	if len(last) != 50 || last[49] != 5000 || fmt.Sprint(numbers("1000")) != fmt.Sprint(last) {
		t.Errorf("the last page is %v, and one beyond it %v", last, numbers("1000"))
	}
	s.Conns = s.Conns[:420]
	h = Handler(always(s))
	seen := map[int]bool{}
	for page := 1; page <= 9; page++ {
		for _, n := range numbers(fmt.Sprint(page)) {
			seen[n] = true
		}
	}
	if len(seen) != 420 {
		t.Errorf("%d of 420 are on a page", len(seen))
	}
}

func TestNoAddressIsShownWithRedactAddresses(t *testing.T) {
	t.Parallel()
	s := outageSnapshot(t)
	cluster := func() Cluster {
		return Cluster{Name: "db", Endpoints: []Endpoint{{Name: "10.9.8.7:5432", Ejected: true, Why: "10.9.8.7 failed", Pool: s}, {Name: "10.9.8.7", Pool: s}, {Pool: s}}}
	}
	p := &Page{Pools: []func() pool.Snapshot{always(s)}, Clusters: []func() Cluster{cluster}, RedactAddresses: true}
	address := regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`)
	alias := regexp.MustCompile(`host-[0-9a-f]{4}`)
	aliases := map[string]bool{}
	for _, target := range []string{"/", "/?pool=orders"} {
		for _, accept := range []string{"text/html", "application/json", "*/*"} {
			body := strip(get(p, target, "Accept", accept).Body.String())
			if m := address.FindString(body); m != "" {
				t.Errorf("%s as %s has %s", target, accept, m)
			}
			for _, a := range alias.FindAllString(body, -1) {
				aliases[a] = true
			}
		}
	}
	if len(aliases) != 1 {
		t.Errorf("one host has the aliases %v", aliases)
	}
	text, err := json.Marshal(p.Var())
	if m := address.FindString(string(text)); err != nil || m != "" {
		t.Errorf("expvar has %s, %v", m, err)
	}
}

func TestThoseInTroubleComeFirstAndEachHasANameOfItsOwn(t *testing.T) {
	t.Parallel()
	named := func(name, state string) func() pool.Snapshot {
		s := wellSnapshot(t, name)
		s.State = state
		return always(s)
	}
	h := Handler(named("a", "well"), named("b", "busy"), named("", "outage"), named("", "suspect"), named("a", "probing"), named("c", "closed"), named("d", "full"))
	v := decoded(t, h, "/")
	var got []string
	for _, p := range at(v, "pools").([]any) {
		got = append(got, fmt.Sprint(at(p, "id"), " ", at(p, "state")))
	}
	if want := "pool outage, a (2) probing, d full, pool (2) suspect, b busy, a well, c closed"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	if want := "pool: outage, a (2): probing, d: full, pool (2): suspect, b: busy"; at(v, "summary") != want {
		t.Errorf("in short: %s, want %s", at(v, "summary"), want)
	}
	if one := decoded(t, h, "/?pool=a+(2)"); len(at(one, "pools").([]any)) != 1 || at(one, "pools", 0, "state") != "probing" {
		t.Errorf("%v", one)
	}
}

func TestEachFormShowsTheOnlyPoolWithItsConnectionsAndSeveralWithout(t *testing.T) {
	t.Parallel()
	one, two := Handler(always(outageSnapshot(t))), Handler(always(outageSnapshot(t)), always(wellSnapshot(t, "users")))
	for _, test := range []struct {
		h      http.Handler
		target string
		want   bool
	}{{one, "/", true}, {two, "/", false}, {two, "/?pool=users", true}} {
		for accept, sign := range map[string]string{"text/html": "10.9.8.7:5432</b>", "application/json": `"remote": "10.9.8.7:5432"`, "*/*": "10.9.8.7:5432  10.1.2.3:40001"} {
			if got := strings.Contains(get(test.h, test.target, "Accept", accept).Body.String(), sign); got != test.want {
				t.Errorf("%s as %s lists connections: %v", test.target, accept, got)
			}
		}
	}
}

func TestThePageSaysWhatGoesOnInWords(t *testing.T) {
	t.Parallel()
	page := html.UnescapeString(strip(get(Handler(always(outageSnapshot(t))), "/").Body.String()))
	for _, want := range []string{
		"<strong>outage</strong> <span class=\"for\">7 s</span>", "keepalive_timeout, attempt 3 failed, next try in 1.2 s",
		errRefused.Error(), "3 in use, 5 idle, 1 quarantined, 0 dialing, of 10", `role="status">orders: outage<`,
		"Last 15 min: 2 outages", "silent 3 s", "noticed, 3 dials", "for 4 s now", "healed after 2 s", "<b>2</b> keepalive_timeout",
		"promised 3 s", `data-title="orders: outage – `,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %q in\n%s", want, page)
		}
	}
}

func TestNobodyIsAskedWhileNobodyLooksAndAllWhoLookAreAskedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		s := wellSnapshot(t, "users")
		p := &Page{Pools: []func() pool.Snapshot{func() pool.Snapshot { asked.Add(1); s.At = time.Now(); return s }}}
		time.Sleep(time.Hour)
		if n := asked.Load(); n != 0 {
			t.Errorf("asked %d times", n)
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { get(p, "/") })
		}
		wg.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times by ten", n)
		}
		time.Sleep(lookLasts)
		get(p, "/")
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times, the last of them later", n)
		}
	})
}

// A pool that is not made yet, when all the others are in an outage.
func TestWhatCannotBeAskedTakesNothingFromTheRest(t *testing.T) {
	t.Parallel()
	var none *pool.Pool[int]
	p := &Page{
		Pools:    []func() pool.Snapshot{none.Snapshot, nil, always(outageSnapshot(t))},
		Clusters: []func() Cluster{nil, func() Cluster { panic("a cluster of somebody's") }},
	}
	for _, accept := range []string{"text/html", "application/json", "*/*"} {
		w := get(p, "/", "Accept", accept)
		for _, want := range []string{"orders: outage", "pool: unknown", "pool (2): unknown", "cannot be asked: runtime error: invalid memory address or nil pointer dereference", "cluster (2): unknown"} {
			if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("as %s: %d, without %q:\n%s", accept, w.Code, want, strip(w.Body.String()))
			}
		}
	}
}
