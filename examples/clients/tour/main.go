package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"example.com/hale"
	"example.com/hale/health/healthtest"
	otelhale "example.com/hale/otel"
	"example.com/hale/pool"
	"example.com/hale/pool/debugpage"
	"example.com/hale/sockopt"
)

// PostgreSQL is frozen so long after the start, and thawed so long after that.
var freezeAfter, thawAfter = 10 * time.Second, 20 * time.Second

func main() {
	log.SetFlags(log.Ltime)
	page, err := healthtest.ListenOutside("tcp", "localhost:6060") // a net.Listener
	if err != nil {
		log.Fatal(err)
	}
	if err := healthtest.Isolate(); err != nil { // the right to freeze, without root
		log.Fatal(err)
	}
	r, err := newRoad(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C
	defer stop()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(printer{}))
	if err := run(ctx, r, page, provider); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, r *road, page net.Listener, provider *sdktrace.TracerProvider) error {
	telemetry, err := otelhale.New(otelhale.WithTracerProvider(provider))
	if err != nil {
		return err
	}
	orders, err := telemetry.Pool("orders")
	if err != nil {
		return err
	}
	config, err := pgconn.ParseConfig("postgres://hale@" + r.listener.Addr().String() + "/postgres")
	if err != nil {
		return err
	}
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(3 * time.Second), Observer: orders.Dialer()}
	config.DialFunc = dialer.DialContext // was: net.Dial's
	p, err := pool.New(pool.Config[*pgconn.PgConn]{
		Name:     orders.Name(),
		Observer: orders.Observer(),
		Dial: func(ctx context.Context) (net.Conn, error) {
			pg, err := pgconn.ConnectConfig(ctx, config)
			if err != nil {
				return nil, err
			}
			return session{pg.Conn(), pg}, nil
		},
		Open:        func(_ context.Context, c net.Conn) (*pgconn.PgConn, error) { return c.(session).pg, nil },
		MaxConns:    4,
		MinConns:    2,
		DialTimeout: time.Second,
	})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := orders.Register(p); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/hale", debugpage.Handler(p.Snapshot))
	server := &http.Server{Handler: mux}
	defer server.Close()
	go server.Serve(page)
	log.Printf("look at http://%s/debug/hale", page.Addr())
	if err := p.WaitReady(ctx); err != nil {
		return err
	}
	time.AfterFunc(freezeAfter, r.freeze)
	time.AfterFunc(freezeAfter+thawAfter, r.thaw)
	for ctx.Err() == nil {
		request(ctx, p)
		time.Sleep(time.Second)
	}
	return nil
}

// request asks PostgreSQL for its version, and prints what comes of it: an error has the
// cause in it, and the request after it waits for the healing.
func request(ctx context.Context, p *pool.Pool[*pgconn.PgConn]) {
	var version string
	err := p.Do(ctx, func(ctx context.Context, pg *pgconn.PgConn) error {
		result := pg.ExecParams(ctx, "select 'PostgreSQL ' || current_setting('server_version')", nil, nil, nil, nil).Read()
		if result.Err == nil {
			version = string(result.Rows[0][0])
		}
		return result.Err
	})
	log.Println(version, err)
}

// session is a connection, with the session on it.
type session struct {
	net.Conn
	pg *pgconn.PgConn
}

// A road leads to a server, and can be closed.
type road struct {
	listener net.Listener
	mu       sync.Mutex // guards what follows
	ends     []net.Conn
	undo     []func() error
}

// newRoad leads from a TCP address to PostgreSQL's Unix socket in a folder.
func newRoad(folder string) (*road, error) {
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false) // or its sockets take no filter
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &road{listener: l}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", folder+"/.s.PGSQL.5432")
			if err != nil {
				log.Print(err)
				near.Close()
				continue
			}
			r.mu.Lock()
			r.ends = append(r.ends, near)
			r.mu.Unlock()
			go func() { io.Copy(near, far); near.Close() }()
			go func() { io.Copy(far, near); far.Close() }()
		}
	}()
	return r, nil
}

func (r *road) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	log.Print("frozen")
	thaw, err := healthtest.FreezeListener(r.listener)
	if err != nil {
		log.Fatal(err)
	}
	r.undo = append(r.undo, thaw)
	for _, end := range r.ends {
		if thaw, err := healthtest.Freeze(end); err == nil { // it may have ended
			r.undo = append(r.undo, thaw)
		}
	}
}

func (r *road) thaw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	log.Print("thawed")
	for _, thaw := range r.undo {
		thaw()
	}
}

// printer prints spans as they end. In production it is an exporter of yours.
type printer struct{}

func (printer) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		if what, _, _ := strings.Cut(s.Name(), " "); what != "detection" && what != "outage" && what != "reconnect" {
			continue // of connects and acquires
		}
		log.Printf("span %q, %v long", s.Name(), s.EndTime().Sub(s.StartTime()).Round(time.Millisecond))
		for _, a := range s.Attributes() {
			fmt.Printf("    %s = %s\n", a.Key, a.Value.String())
		}
		for _, e := range s.Events() {
			fmt.Printf("  * %s after %v\n", e.Name, e.Time.Sub(s.StartTime()).Round(time.Millisecond))
		}
	}
	return nil
}

func (printer) Shutdown(context.Context) error { return nil }
