package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver/dns"
	"google.golang.org/grpc/status"

	"example.com/hale"
	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
	"example.com/hale/sockopt"
)

const (
	podsName  = "pods.test."
	pods      = 3                    // that serve at a time
	handling  = 5 * time.Millisecond // of a request
	perPod    = 2 * time.Second      // from one that is replaced to the next
	perClient = 6                    // workers
)

// A pod is a gRPC server at an address of its own, on the port of all.
type pod struct {
	host   string
	server *grpc.Server
	served chan error
	calls  map[string]*atomic.Int64 // by the client, which the request names
}

// listenTogether listens on as many addresses of loopback, on one port.
func listenTogether(t *testing.T, n int) []net.Listener {
	t.Helper()
	pid := os.Getpid()
	for range 100 {
		var all []net.Listener
		port := "0"
		for i := range n {
			host := net.IPv4(127, byte(192+i), byte(pid>>8), byte(pid)).String()
			l, err := net.Listen("tcp4", net.JoinHostPort(host, port))
			if err != nil {
				break // another has the port
			}
			all = append(all, l)
			_, port, _ = net.SplitHostPort(l.Addr().String())
		}
		if len(all) == n {
			return all
		}
		for _, l := range all {
			l.Close()
		}
	}
	t.Fatal("no port is free at all addresses")
	return nil
}

func servePod(t *testing.T, l net.Listener, clients ...string) *pod {
	host, _, _ := net.SplitHostPort(l.Addr().String())
	p := &pod{host: host, served: make(chan error, 1), calls: make(map[string]*atomic.Int64)}
	checks := health.NewServer()
	for _, client := range clients {
		p.calls[client] = new(atomic.Int64)
		checks.SetServingStatus(client, healthpb.HealthCheckResponse_SERVING)
	}
	p.server = grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		p.calls[request.(*healthpb.HealthCheckRequest).Service].Add(1)
		time.Sleep(handling)
		return next(ctx, request)
	}))
	healthpb.RegisterHealthServer(p.server, checks)
	go func() { p.served <- p.server.Serve(l) }()
	t.Cleanup(func() {
		p.server.Stop()
		if err := <-p.served; err != nil {
			t.Error(err)
		}
	})
	return p
}

// check is the request: it tells the server whose it is.
func check(ctx context.Context, cc *grpc.ClientConn, client string) error {
	_, err := healthpb.NewHealthClient(cc).Check(ctx, &healthpb.HealthCheckRequest{Service: client})
	return err
}

// judgeGRPC counts every error as a failed request.
func (l *load) judgeGRPC(err error) outcome {
	if err != nil {
		return l.note(failed, err)
	}
	return done
}

// A podClient is a gRPC client of one connection.
type podClient struct {
	*grpc.ClientConn
	conn net.Conn
}

// leftBy makes an error of a call show a server that leaves. When it has said so, gRPC
// takes no more calls for the connection and would dial; that it closes it comes after.
func (c podClient) leftBy(err error) error {
	if status.Code(err) == codes.Unavailable && c.GetState() != connectivity.Ready {
		return errors.Join(err, net.ErrClosed, c.conn.Close())
	}
	return err
}

// newPods is a cluster of hale's of gRPC clients with a connection each.
func newPods(t *testing.T, names *nameServer, port string) *cluster.Cluster[podClient] {
	t.Helper()
	dialer := &hale.Dialer{KeepAlive: sockopt.Within(3 * time.Second)}
	c, err := cluster.New(cluster.Config[podClient]{
		Resolve:      cluster.Names{Resolver: names.resolver()}.DNS(podsName, port),
		ResolveEvery: time.Second,
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", e.Address)
		},
		Pool: pool.Config[podClient]{
			Open:  openGRPC,
			Close: func(c podClient) error { return c.ClientConn.Close() },
			// A server that leaves says so on the connection, and takes no new requests there.
			AfterRelease: func(c podClient) bool { return c.GetState() == connectivity.Ready },
			KeepUnread:   true,
		},
		MaxConns: 4 * perClient,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// openGRPC makes a gRPC client of one connection, which dials no other.
func openGRPC(ctx context.Context, conn net.Conn) (podClient, error) {
	var given atomic.Bool
	cc, err := grpc.NewClient("passthrough:///pod", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithIdleTimeout(0),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if given.Swap(true) {
				return nil, errors.New("the pool dials")
			}
			return conn, nil
		}))
	if err != nil {
		return podClient{}, err
	}
	cc.Connect()
	for state := cc.GetState(); state != connectivity.Ready; state = cc.GetState() {
		if state == connectivity.TransientFailure || !cc.WaitForStateChange(ctx, state) {
			return podClient{}, errors.Join(fmt.Errorf("gRPC: %v", state), ctx.Err(), cc.Close())
		}
	}
	return podClient{cc, conn}, nil
}

// Pods are replaced one by one: a new one is ready, the name changes, and the old one
// is told to end in good order, at the same time, as Kubernetes does.
//
// grpc-go asks for the name when a connection is lost, and then not for half a minute;
// that is one for the process, and so the two runs are one after the other.
func TestPodsBehindANameRoll(t *testing.T) {
	t.Parallel()
	t.Run("grpc-go by default", func(t *testing.T) { roll(t, "grpc-go") })
	t.Run("grpc-go may ask each second", func(t *testing.T) {
		dns.SetMinResolutionInterval(time.Second)
		t.Cleanup(func() { dns.SetMinResolutionInterval(30 * time.Second) })
		roll(t, "grpc-go, may ask for the name each second")
	})
}

func roll(t *testing.T, rival string) {
	listeners := listenTogether(t, 2*pods)
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	names := serveNames(t)
	var running []*pod
	var hosts []string
	start := func() {
		p := servePod(t, listeners[0], "hale", rival)
		listeners = listeners[1:]
		running, hosts = append(running, p), append(slices.Clone(hosts), p.host)
	}
	for range pods {
		start()
	}
	names.set(hosts)

	c := newPods(t, names, port)
	cc, err := grpc.NewClient("dns://"+names.conn.LocalAddr().String()+"/"+podsName+":"+port,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	ours, theirs := &load{client: "hale", kind: "call"}, &load{client: rival, kind: "call"}
	ours.do = func(ctx context.Context, _ int) outcome {
		return ours.judgeGRPC(c.Do(pool.Idempotent(ctx), func(ctx context.Context, cc podClient) error {
			return cc.leftBy(check(ctx, cc.ClientConn, ours.client))
		}))
	}
	theirs.do = func(ctx context.Context, _ int) outcome { return theirs.judgeGRPC(check(ctx, cc, theirs.client)) }
	loads := []*load{ours, theirs}

	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, l := range loads {
		l.run(ctx, &wg, perClient, 5*time.Millisecond)
	}
	all := slices.Clone(running)
	for range pods {
		time.Sleep(perPod)
		start()
		all = append(all, running[len(running)-1])
		hosts = hosts[1:]
		names.set(hosts)
		running[0].server.GracefulStop()
		running = running[1:]
	}
	time.Sleep(perPod)
	before := make(map[string][]int64)
	for _, l := range loads {
		for _, p := range running {
			before[l.client] = append(before[l.client], p.calls[l.client].Load())
		}
	}
	time.Sleep(perPod)
	for _, l := range loads {
		var share []int64
		for i, p := range running {
			share = append(share, p.calls[l.client].Load()-before[l.client][i])
		}
		t.Logf("%s: calls of each pod in the last %v: %v", l.client, perPod, share)
		if l == ours && slices.Min(share) == 0 {
			t.Error("hale: a pod that is new gets no calls")
		}
	}
	stop()
	wg.Wait()
	for _, l := range loads {
		for _, p := range all {
			l.attempts.Add(p.calls[l.client].Load())
		}
	}
	report(t, "gRPC, three pods roll", loads...)
	t.Logf("hale: sent again: %d", c.Stats().Retries)
	if ours.ended[failed] > 0 || ours.ended[done] == 0 {
		t.Errorf("hale: %d calls failed of %d", ours.ended[failed], ours.ended[failed]+ours.ended[done])
	}
}
