package debugpage

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// refreshEvery is how often a stream has a new page.
	refreshEvery = time.Second
	// streamLasts bounds a stream; the browser asks for the next.
	streamLasts = time.Minute
	// writeWithin is how long a browser may take to read what it is sent; the handler
	// of one that sleeps ends then.
	writeWithin = 5 * time.Second
	// streamsMost is how many there may be at a time. Who comes after asks again and
	// again instead.
	streamsMost = 16
)

// streams is those that are open.
type streams struct {
	mu   sync.Mutex // guards what follows
	open int
	over map[*http.Server]chan struct{} // closed when the server shuts down
}

// begin counts a stream of a server, which may be nil, and returns what is closed when
// it has to end. There is none if there are too many, or the server shuts down.
func (s *streams) begin(server *http.Server) (over <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= streamsMost {
		return nil, false
	}
	over = s.shutdown(server)
	select {
	case <-over:
		return nil, false
	default:
	}
	s.open++
	return over, true
}

// shutdown is closed when a server shuts down: Shutdown waits for streams, and so they
// have to end. The caller holds mu.
func (s *streams) shutdown(server *http.Server) <-chan struct{} {
	if server == nil {
		return nil
	}
	over, known := s.over[server]
	if !known {
		if s.over == nil {
			s.over = make(map[*http.Server]chan struct{})
		}
		over = make(chan struct{})
		s.over[server] = over
		server.RegisterOnShutdown(sync.OnceFunc(func() { close(over) }))
	}
	return over
}

func (s *streams) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

// stream sends the page again and again, as server-sent events (WHATWG HTML, section
// 9.2), to a browser that then puts into its document what has changed.
func (p *Page) stream(w http.ResponseWriter, r *http.Request, q query) {
	if _, err := p.render(query{pool: q.pool, page: q.page}); err != nil {
		refuse(w, r, err)
		return
	}
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	over, ok := p.streams.begin(server)
	if !ok {
		refuse(w, r, refusal{http.StatusServiceUnavailable, "no more streams"})
		return
	}
	defer p.streams.end()
	s := eventStream{w: w, rc: http.NewResponseController(w)}
	if err := s.begin(r); err != nil {
		s.cannot(r)
		return
	}
	if r.Method != http.MethodHead {
		p.feed(s, r, q, over)
	}
}

// feed sends events until nobody wants them any more.
func (p *Page) feed(s eventStream, r *http.Request, q query, over <-chan struct{}) {
	last := time.NewTimer(streamLasts)
	defer last.Stop()
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		body, err := p.render(query{form: formHTML, pool: q.pool, page: q.page})
		if err != nil || s.send(body) != nil { // the pool is gone, or whoever watched
			return
		}
		select {
		case <-tick.C:
		case <-last.C:
			return
		case <-over:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// eventStream writes events.
type eventStream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// begin sends the header. It fails, with nothing sent, where a stream is not possible:
// under http.TimeoutHandler, or something else that holds back what is written or
// lets nobody set a deadline.
func (s eventStream) begin(r *http.Request) error {
	if err := s.deadline(); err != nil {
		return err
	}
	s.w.Header().Set("Content-Type", contentTypes[formStream])
	s.w.Header().Set("X-Accel-Buffering", "no") // nginx
	if r.ProtoMajor == 1 {
		s.w.Header().Set("Connection", "close") // it has a deadline of ours
	}
	return s.rc.Flush()
}

// deadline bounds the next write. That of Server.WriteTimeout is for a whole answer.
func (s eventStream) deadline() error { return s.rc.SetWriteDeadline(time.Now().Add(writeWithin)) }

// cannot says that there is no stream, upon which the browser asks again and again.
func (s eventStream) cannot(r *http.Request) {
	for _, name := range []string{"X-Accel-Buffering", "Connection"} {
		s.w.Header().Del(name)
	}
	refuse(s.w, r, refusal{http.StatusNotImplemented, "this server cannot stream"})
}

// lines has an event's data on lines of its own, whatever ends a line.
var lines = strings.NewReplacer("\r\n", "\ndata: ", "\n", "\ndata: ", "\r", "\ndata: ")

func (s eventStream) send(body string) error {
	if err := s.deadline(); err != nil {
		return err
	}
	if _, err := io.WriteString(s.w, "retry: 1000\nevent: page\ndata: "+lines.Replace(body)+"\n\n"); err != nil {
		return err
	}
	return s.rc.Flush()
}
