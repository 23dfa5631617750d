package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"net/textproto"
	"strings"
	"time"

	"example.com/hale"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// dial is what a Config's Dial mostly is.
func dial(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
	return new(hale.Dialer).DialContext(ctx, "tcp", e.Address)
}

// serve is a server that answers every line with its name, but for "role", to which it
// says what it is.
func serve(name, role string) (address string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					answer := name
					if lines.Text() == "role" {
						answer = role
					}
					fmt.Fprintln(c, answer)
				}
			}()
		}
	}()
	return l.Addr().String(), func() { l.Close() }
}

// open is what a Config.Pool's Open may be.
func open(_ context.Context, c net.Conn) (*textproto.Conn, error) { return textproto.NewConn(c), nil }

// ask sends a line, and returns the answer.
func ask(c *textproto.Conn, question string) (string, error) {
	if err := c.PrintfLine("%s", question); err != nil {
		return "", err
	}
	return c.ReadLine()
}

// Servers whose addresses are known.
func ExampleStatic() {
	a, stopA := serve("a", "")
	defer stopA()
	b, stopB := serve("b", "")
	defer stopB()

	c, err := cluster.New(cluster.Config[*textproto.Conn]{
		Resolve:  cluster.Static(a, b),
		Dial:     dial,
		Pool:     pool.Config[*textproto.Conn]{Open: open},
		MaxConns: 16,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	err = c.Do(context.Background(), func(_ context.Context, conn *textproto.Conn) error {
		answer, err := ask(conn, "who?")
		fmt.Println(answer == "a" || answer == "b")
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: true
}

// Pods behind a name, as that of a headless service: their addresses are asked for
// every half minute, and after each loss.
func ExampleDNS() {
	c, err := cluster.New(cluster.Config[net.Conn]{
		Resolve:   cluster.DNS("localhost", "5432"),
		Dial:      dial,
		MaxConns:  64,
		SlowStart: 10 * time.Second, // for pods that are new
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.WaitReady(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.HasSuffix(c.Stats().Endpoints[0].Endpoint.Address, ":5432"))
	// Output: true
}

// A primary for writes, and replicas for reads. PostgreSQL's role is asked by
// pg_is_in_recovery(), and its sessions know of in_hot_standby by themselves.
func ExampleWant() {
	a, stopA := serve("a", "replica")
	defer stopA()
	b, stopB := serve("b", "primary")
	defer stopB()

	c, err := cluster.New(cluster.Config[*textproto.Conn]{
		Resolve:  cluster.Static(a, b),
		Dial:     dial,
		Pool:     pool.Config[*textproto.Conn]{Open: open},
		MaxConns: 16,
		Role: func(_ context.Context, conn *textproto.Conn) (cluster.Role, error) {
			answer, err := ask(conn, "role")
			if answer == "primary" {
				return cluster.Primary, err
			}
			return cluster.Replica, err
		},
		Demoted: func(err error) bool { return strings.Contains(err.Error(), "read-only") },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, role := range []cluster.Role{cluster.Primary, cluster.Replica} {
		err := c.Do(cluster.Want(context.Background(), role), func(_ context.Context, conn *textproto.Conn) error {
			answer, err := ask(conn, "who?")
			fmt.Println(role, "is", answer)
			return err
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// primary is b
	// replica is a
}

// The same user comes to the same server, as long as that is well.
func ExampleWithKey() {
	a, stopA := serve("a", "")
	defer stopA()
	b, stopB := serve("b", "")
	defer stopB()

	c, err := cluster.New(cluster.Config[net.Conn]{Resolve: cluster.Static(a, b), Dial: dial, MaxConns: 16})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := cluster.WithKey(context.Background(), "user 42")
	seen := map[cluster.Endpoint]bool{}
	for range 10 {
		conn, err := c.Acquire(ctx)
		if err != nil {
			log.Fatal(err)
		}
		seen[conn.Endpoint()] = true
		conn.Release()
	}
	fmt.Println(len(seen), "server")
	// Output: 1 server
}

func ExampleCluster() {
	a, stop := serve("a", "")
	defer stop()
	c, err := cluster.New(cluster.Config[net.Conn]{Resolve: cluster.Static(a), Dial: dial, MaxConns: 4})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := c.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(conn.Value(), "who?")
	answer, err := bufio.NewReader(conn.Value()).ReadString('\n')
	fmt.Print(answer)
	conn.Release()
	aborted, shutdownErr := c.Shutdown(context.Background())
	fmt.Println(err, aborted, shutdownErr)
	// Output:
	// a
	// <nil> 0 <nil>
}

// A resolver that is told of changes, as by a watch of Kubernetes.
func ExampleConfig() {
	a, stop := serve("a", "")
	defer stop()
	changes := make(chan []cluster.Endpoint, 1)
	c, err := cluster.New(cluster.Config[net.Conn]{
		Watch: func(ctx context.Context, update func([]cluster.Endpoint) error) error {
			for {
				select {
				case all := <-changes:
					if err := update(all); err != nil {
						log.Print(err)
					}
				case <-ctx.Done():
					return nil
				}
			}
		},
		Dial:     dial,
		MaxConns: 16,
		Zone:     "eu-1a",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	changes <- []cluster.Endpoint{{Address: a, Zone: "eu-1a"}}
	fmt.Println(c.WaitReady(context.Background()))
	// Output: <nil>
}

// Who acquires without Do reports how it went.
func ExampleConn() {
	a, stop := serve("a", "")
	defer stop()
	c, err := cluster.New(cluster.Config[net.Conn]{Resolve: cluster.Static(a), Dial: dial, MaxConns: 4})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	conn, err := c.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	_, err = fmt.Fprintln(conn.Value(), "who?")
	conn.Report(err)
	conn.Close() // the answer was not read
	fmt.Println(err)
	// Output: <nil>
}

func ExampleEndpoint() {
	all := []cluster.Endpoint{
		{Address: "10.0.0.1:5432", Weight: 2, Zone: "eu-1a", Role: cluster.Primary},
		{Address: "10.0.0.2:5432", Zone: "eu-1b", Role: cluster.Replica},
		{Address: "10.1.0.1:5432", Priority: 1}, // if none of the others can be reached
	}
	fmt.Println(all)
	// Output: [10.0.0.1:5432 10.0.0.2:5432 10.1.0.1:5432]
}

func ExampleRole() {
	fmt.Println(cluster.Any, cluster.Primary, cluster.Replica, cluster.PreferReplica)
	// Output: any primary replica prefer_replica
}

// Names are asked of a name server of one's own.
func ExampleNames() {
	names := cluster.Names{
		Resolver: &net.Resolver{PreferGo: true},
		Timeout:  time.Second,
	}
	endpoints, err := names.DNS("127.0.0.1", "5432")(context.Background())
	fmt.Println(endpoints, err)
	// Output: [127.0.0.1:5432] <nil>
}

// A server that hangs while its kernel answers is an outlier: requests to it run into
// their timeouts.
func ExampleEjection() {
	e := cluster.Ejection{
		Failures: 3,
		Failed:   func(err error) bool { return context.DeadlineExceeded == err },
		Slow:     5,
	}
	fmt.Println(e.Failed(context.DeadlineExceeded))
	// Output: true
}

func ExampleBudget() {
	b := cluster.Budget{Ratio: 0.1, PerSecond: 2}
	fmt.Printf("of 1000 calls in 10 s, %.0f may be sent again\n", 1000*b.Ratio+float64(10*b.PerSecond))
	// Output: of 1000 calls in 10 s, 120 may be sent again
}

func ExampleStats() {
	a, stop := serve("a", "")
	defer stop()
	c, err := cluster.New(cluster.Config[net.Conn]{Resolve: cluster.Static(a), Dial: dial, MaxConns: 4})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	conn, err := c.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	st := c.Stats()
	fmt.Println(st.InUse, "of", st.MaxConns, "in use,", st.Total.Dials, "dial")
	conn.Release()
	// Output: 1 of 4 in use, 1 dial
}

func ExampleSnapshot() {
	a, stop := serve("a", "")
	defer stop()
	c, err := cluster.New(cluster.Config[net.Conn]{Name: "letters", Resolve: cluster.Static(a), Dial: dial, MaxConns: 4})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	conn, err := c.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Release()
	s := c.Snapshot()
	for i, e := range s.Stats.Endpoints {
		fmt.Printf("%s: an endpoint is %s, its pool %s, its connection %s\n", s.Name, e.State, s.Pools[i].State, s.Pools[i].Conns[0].State)
	}
	// Output: letters: an endpoint is up, its pool well, its connection in_use
}

func ExampleEndpointStats() {
	for _, e := range (cluster.Stats{Endpoints: []cluster.EndpointStats{
		{Endpoint: cluster.Endpoint{Address: "10.0.0.1:80"}, State: "up", Share: 0.75, InUse: 3},
		{Endpoint: cluster.Endpoint{Address: "10.0.0.2:80"}, State: "ejected"},
	}}).Endpoints {
		fmt.Printf("%s %-7s %2.0f %% %d in use\n", e.Endpoint, e.State, 100*e.Share, e.InUse)
	}
	// Output:
	// 10.0.0.1:80 up      75 % 3 in use
	// 10.0.0.2:80 ejected  0 % 0 in use
}
