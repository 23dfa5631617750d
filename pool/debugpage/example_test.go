package debugpage_test

import (
	"context"
	"expvar"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"example.com/hale"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
	"example.com/hale/pool/debugpage"
)

// orders is a pool of one connection to a server that does nothing.
func orders() (p *pool.Pool[net.Conn], stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	dialer := new(hale.Dialer)
	p, err = pool.New(pool.Config[net.Conn]{
		Name:     "orders",
		Dial:     func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", l.Addr().String()) },
		MaxConns: 4,
		MinConns: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.WaitReady(context.Background()); err != nil {
		log.Fatal(err)
	}
	return p, func() { p.Close(); l.Close() }
}

// get is what curl shows of the first lines of a page, without what differs each time.
func get(h http.Handler, target string, lines int) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	text, _ := io.ReadAll(w.Result().Body)
	_, rest, _ := strings.Cut(string(text), ": ")
	return strings.Join(strings.Split(rest, "\n")[:lines], "\n")
}

// The page of one pool, mounted beside net/http/pprof, and what curl shows of it.
func ExampleHandler() {
	p, stop := orders()
	defer stop()
	mux := http.NewServeMux()
	mux.Handle("/debug/hale", debugpage.Handler(p.Snapshot))
	fmt.Println(get(mux, "/debug/hale", 4))
	// Output:
	// all is well
	//
	// orders: well
	//   places   0 in use, 1 idle, 0 quarantined, 0 dialing, of 4
}

// A page for this machine alone, which hides the network, and the same under
// /debug/vars.
func ExamplePage() {
	p, stop := orders()
	defer stop()
	page := &debugpage.Page{
		Title:           "shop",
		Pools:           []func() pool.Snapshot{p.Snapshot},
		Hosts:           []string{"localhost", "127.0.0.1"},
		RedactAddresses: true,
	}
	expvar.Publish("pools", expvar.Func(page.Var))
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://rebound.example/debug/hale", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 403 host "rebound.example": not one of Hosts
}

// Whatever spreads requests over several pools is shown as a cluster: a function makes
// the plain value from what it knows.
func ExampleCluster() {
	primary, stop := orders()
	defer stop()
	replica, stop := orders()
	defer stop()
	db := func() debugpage.Cluster {
		return debugpage.Cluster{Name: "db", Endpoints: []debugpage.Endpoint{
			{Name: "db1", Role: "primary", Share: 0.6, Pool: primary.Snapshot()},
			{Name: "db2", Role: "replica", Share: 0.4, Pool: replica.Snapshot()},
		}}
	}
	fmt.Println(get(&debugpage.Page{Clusters: []func() debugpage.Cluster{db}}, "/", 6))
	// Output:
	// all is well
	//
	// db: well
	//   ENDPOINT  ROLE     SHARE  STATE  FOR  IN USE  IDLE  WAITING  EJECTED
	//   db1       primary  60 %   well   –    0/4     1     0
	//   db2       replica  40 %   well   –    0/4     1     0
}

// What package cluster spreads requests over is shown by its Snapshot.
func ExampleOfCluster() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	c, err := cluster.New(cluster.Config[net.Conn]{
		Name: "letters",
		Resolve: func(context.Context) ([]cluster.Endpoint, error) {
			return []cluster.Endpoint{{Address: "letters:1"}}, nil
		},
		Dial: func(ctx context.Context, _ cluster.Endpoint) (net.Conn, error) {
			return new(hale.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		},
		MaxConns: 4,
		Pool:     pool.Config[net.Conn]{MinConns: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.WaitReady(context.Background()); err != nil {
		log.Fatal(err)
	}
	page := &debugpage.Page{Clusters: []func() debugpage.Cluster{func() debugpage.Cluster { return debugpage.OfCluster(c.Snapshot()) }}}
	fmt.Println(get(page, "/", 5))
	// Output:
	// all is well
	//
	// letters: well
	//   ENDPOINT   ROLE  SHARE  STATE  FOR  IN USE  IDLE  WAITING  EJECTED
	//   letters:1        100 %  well   –    0/4     1     0
}

// An endpoint that is ejected says until when, and why.
func ExampleEndpoint() {
	p, stop := orders()
	defer stop()
	db := func() debugpage.Cluster {
		return debugpage.Cluster{Name: "db", Endpoints: []debugpage.Endpoint{{
			Name: "db3", Role: "replica", Ejected: true, Until: time.Now().Add(90 * time.Second), Why: "5 errors in a row", Pool: p.Snapshot(),
		}}}
	}
	fmt.Println(strings.Contains(get(&debugpage.Page{Clusters: []func() debugpage.Cluster{db}}, "/", 5), "5 errors in a row"))
	// Output: true
}
