package endpoints

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	grpcbalancer "google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// shown is grpc-go's round_robin under another name, which lets its picker be seen.
const shown = "shown_round_robin"

func init() { grpcbalancer.Register(showing{}) }

type showing struct{}

func (showing) Name() string { return shown }

func (showing) Build(cc grpcbalancer.ClientConn, options grpcbalancer.BuildOptions) grpcbalancer.Balancer {
	seen, _ := views.Load(options.Target.URL.Scheme)
	return grpcbalancer.Get(roundrobin.Name).Build(seen.(*view).of(cc), options)
}

// views are those of the clients, by the scheme of their target, which each has of its
// own.
var (
	views   sync.Map
	counted atomic.Uint64
)

// A view is what a client's policy says to its client.
type view struct {
	grpcbalancer.ClientConn
	picker atomic.Pointer[grpcbalancer.Picker]

	mu        sync.Mutex // guards endpoints
	endpoints map[grpcbalancer.SubConn]int
}

func (v *view) of(cc grpcbalancer.ClientConn) grpcbalancer.ClientConn {
	v.ClientConn = cc
	return v
}

func (v *view) UpdateState(s grpcbalancer.State) {
	v.picker.Store(&s.Picker)
	v.ClientConn.UpdateState(s)
}

func (v *view) NewSubConn(addrs []resolver.Address, options grpcbalancer.NewSubConnOptions) (grpcbalancer.SubConn, error) {
	//lint:ignore SA1019 the policy has to be handed on whatever it asks for
	c, err := v.ClientConn.NewSubConn(addrs, options)
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(addrs[0].Addr)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.endpoints[c] = i
	return c, nil
}

// pick picks a connection as for a request.
func (v *view) pick(ctx context.Context) (grpcbalancer.PickResult, error) {
	picker := v.picker.Load()
	if picker == nil {
		return grpcbalancer.PickResult{}, grpcbalancer.ErrNoSubConnAvailable
	}
	return (*picker).Pick(grpcbalancer.PickInfo{FullMethodName: grpc_health_v1.Health_Check_FullMethodName, Ctx: ctx})
}

func end(r grpcbalancer.PickResult) {
	if r.Done != nil {
		r.Done(grpcbalancer.DoneInfo{})
	}
}

func (v *view) acquire(ctx context.Context) (use, error) {
	r, err := v.pick(ctx)
	if err != nil {
		return use{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return use{endpoint: v.endpoints[r.SubConn], release: func() { end(r) }}, nil
}

// await waits until all of n endpoints are picked.
func (v *view) await(ctx context.Context, n int) error {
	for start := time.Now(); time.Since(start) < 30*time.Second && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		seen := map[int]bool{}
		for range n {
			if u, err := v.acquire(ctx); err == nil {
				seen[u.endpoint] = true
				u.release()
			}
		}
		if len(seen) == n {
			return nil
		}
	}
	return errors.Join(ctx.Err(), fmt.Errorf("not all of %d endpoints are ready", n))
}

func openGRPC(ctx context.Context, n int, addr func(int) string) (balancer, error) {
	v := &view{endpoints: map[grpcbalancer.SubConn]int{}}
	names := manual.NewBuilderWithScheme(fmt.Sprint("shown", counted.Add(1)))
	views.Store(names.Scheme(), v)
	var state resolver.State
	for i := range n {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: strconv.Itoa(i)}}}) // which dial knows
	}
	names.InitialState(state)
	dial := func(ctx context.Context, name string) (net.Conn, error) {
		i, err := strconv.Atoi(name)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, "tcp", addr(i))
	}
	c, err := grpc.NewClient(names.Scheme()+":///", grpc.WithResolvers(names), grpc.WithContextDialer(dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"`+shown+`":{}}]}`))
	if err != nil {
		return balancer{}, err
	}
	c.Connect()
	closeAll := func() {
		c.Close()
		views.Delete(names.Scheme())
	}
	if err := v.await(ctx, n); err != nil {
		closeAll()
		return balancer{}, err
	}
	client := grpc_health_v1.NewHealthClient(c)
	return balancer{
		once: func(ctx context.Context) error {
			r, err := v.pick(ctx)
			if err == nil {
				end(r)
			}
			return err
		},
		acquire: v.acquire,
		request: func(ctx context.Context) error {
			_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		},
		close: closeAll,
	}, nil
}
