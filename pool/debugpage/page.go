package debugpage

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"example.com/hale/pool"
)

// A Page serves what its pools and clusters do and hold. It is an [http.Handler] for
// one path, whichever; its fields are not to be changed once it serves. The zero Page
// has nothing to show. It is safe for concurrent use, starts no goroutine, and does
// nothing while nobody looks.
type Page struct {
	// Title says which program this is; empty is the name of the executable.
	Title string

	// Pools has the method value Snapshot of each pool. They are shown in this order,
	// those in trouble first. One that panics, as that of a nil pool, is shown as
	// "unknown", with the reason.
	Pools []func() pool.Snapshot

	// Clusters has what tells of each cluster, in the same way; see [Cluster]. The
	// functions must be safe for concurrent use and must not block.
	Clusters []func() Cluster

	// Hosts are the names, without a port, under which the page may be asked for, such
	// as "localhost" and "127.0.0.1": so a site that has its name lead to this
	// machine (DNS rebinding) does not get the page by its visitors' browsers. Other
	// names are answered by 403. Empty allows all.
	Hosts []string

	// RedactAddresses replaces addresses by aliases that hold for one Page, and leaves
	// out the texts of errors, which have addresses in them, in every form of the
	// page: for screenshots, and where who may see the page may not see the network.
	// Names that the program gave are shown.
	RedactAddresses bool

	once    sync.Once
	veil    veil
	streams streams

	mu     sync.Mutex // guards what follows; the functions of Pools and Clusters are called under it
	last   *look
	states map[string]*history
}

// Handler returns a [Page] of the pools whose method values Snapshot these are:
//
//	mux.Handle("/debug/hale", debugpage.Handler(orders.Snapshot, users.Snapshot))
func Handler(pools ...func() pool.Snapshot) http.Handler { return &Page{Pools: pools} }

// ServeHTTP answers GET and HEAD; see the package's documentation for the forms and
// the parameters.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.init()
	header(w.Header())
	q, err := p.admit(r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	if q.form == formStream {
		p.stream(w, r, q)
		return
	}
	body, err := p.render(q)
	if err != nil {
		refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", contentTypes[q.form])
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body) // whoever asked may have left
	}
}

// Var returns what an [expvar.Func] publishes: the JSON form without the
// connections. (Package expvar is not imported here, since that alone adds a handler
// to http.DefaultServeMux.)
//
//	expvar.Publish("pools", expvar.Func(page.Var))
func (p *Page) Var() any {
	p.init()
	return p.look().report(query{overview: true}, p.veil)
}

func (p *Page) init() {
	p.once.Do(func() {
		p.veil = newVeil(p.RedactAddresses)
		p.states = make(map[string]*history)
	})
}

// header sets what every answer has.
func header(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
}

// query is what was asked for.
type query struct {
	form     form
	pool     string // the one whose connections are listed; empty is the only one there is
	page     int    // of them, from 1
	overview bool   // no connections, even of an only pool
}

// refusal is a request that is not answered.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

// refuse tells why.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	if no, ok := errors.AsType[refusal](err); ok {
		status = no.status
	}
	w.Header().Set("Content-Type", contentTypes[formText])
	switch status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "GET, HEAD")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintln(w, err)
	}
}

// admit reads a request, or says why it is not answered.
func (p *Page) admit(r *http.Request) (query, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return query{}, refusal{http.StatusMethodNotAllowed, "method " + r.Method + ": only GET and HEAD"}
	}
	if !p.allows(r.Host) {
		return query{}, refusal{http.StatusForbidden, fmt.Sprintf("host %q: not one of Hosts", r.Host)}
	}
	q, err := parse(r.URL.Query(), r.Header.Values("Accept"))
	if err == nil && isForeign(r.Header, q.form) {
		err = refusal{http.StatusForbidden, "a request from another site"}
	}
	return q, err
}

// allows reports whether a Host header is one of Hosts.
func (p *Page) allows(host string) bool {
	if len(p.Hosts) == 0 {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	for _, h := range p.Hosts {
		if strings.EqualFold(strings.Trim(h, "[]"), strings.Trim(host, "[]")) {
			return true
		}
	}
	return false
}

// isForeign reports whether a page of another site has asked (Fetch Metadata): it may
// lead a person here by a link, and do nothing else.
func isForeign(h http.Header, f form) bool {
	if h.Get("Sec-Fetch-Site") != "cross-site" {
		return false
	}
	return f == formStream || h.Get("Sec-Fetch-Mode") != "navigate" || h.Get("Sec-Fetch-Dest") != "document"
}

// parse reads the parameters.
func parse(params url.Values, accept []string) (q query, err error) {
	q = query{page: 1, pool: params.Get("pool")}
	if q.form, err = formOf(params.Get("format"), accept); err != nil {
		return q, err
	}
	if text := params.Get("page"); text != "" {
		if q.page, err = strconv.Atoi(text); err != nil || q.page < 1 {
			return q, refusal{http.StatusBadRequest, fmt.Sprintf("page %q: want a number from 1", text)}
		}
	}
	return q, nil
}

// render makes the page in a form that is not a stream.
func (p *Page) render(q query) (string, error) {
	seen := p.look()
	if q.pool != "" && !seen.has(q.pool) {
		return "", refusal{http.StatusNotFound, fmt.Sprintf("pool %q: there is none of that name", q.pool)}
	}
	return renderers[q.form](seen.report(q, p.veil))
}

// renderers has what makes a page of a report.
var renderers = [...]func(*report) (string, error){formHTML: (*report).html, formJSON: (*report).json, formText: (*report).text}
