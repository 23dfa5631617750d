package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Static returns a Config.Resolve for addresses that do not change. They are in no
// zone and equal.
func Static(addresses ...string) func(context.Context) ([]Endpoint, error) {
	var all []Endpoint
	for _, a := range addresses {
		all = append(all, Endpoint{Address: a})
	}
	return func(context.Context) ([]Endpoint, error) { return all, nil }
}

// DNS is [Names.DNS] of the zero Names.
func DNS(host, port string) func(context.Context) ([]Endpoint, error) { return Names{}.DNS(host, port) }

// SRV is [Names.SRV] of the zero Names.
func SRV(service, proto, name string) func(context.Context) ([]Endpoint, error) {
	return Names{}.SRV(service, proto, name)
}

// Names looks up names, for Config.Resolve. The zero value asks as package net does.
// A name without a dot at its end goes through the search list of resolv.conf. What
// its methods return is for one cluster.
type Names struct {
	// Resolver is nil for [net.DefaultResolver].
	Resolver *net.Resolver
	// Timeout is for one look-up; 0 is 2 s, and a negative one has each fail.
	Timeout time.Duration
}

const (
	defaultNameTimeout = 2 * time.Second
	// familyDelay is how long the first answer waits for that of the other family
	// (RFC 8305 section 3 has 50 ms, with a browser waiting).
	familyDelay = 250 * time.Millisecond
)

func (n Names) resolver() *net.Resolver { return cmp.Or(n.Resolver, net.DefaultResolver) }
func (n Names) timeout() time.Duration  { return cmp.Or(n.Timeout, defaultNameTimeout) }

// DNS returns a Config.Resolve for the addresses of a name, with a port, which may be
// a service's name. IPv4 and IPv6 are asked for apart and beside each other; if one
// of them is silent or fails, its addresses stay as they were known, and it is no
// error. The first time, a silent one is waited for no longer than 250 ms after the
// other has answered. It is an error if one fails and the other has no address; that there
// is no such name, or that it has no address, is an answer without endpoints.
func (n Names) DNS(host, port string) func(context.Context) ([]Endpoint, error) {
	d := &dns{names: n, host: host, port: port}
	return d.resolve
}

// dns is what is known of a name.
type dns struct {
	names      Names
	host, port string

	mu    sync.Mutex // held while it is asked
	known [2][]Endpoint
	asked bool
}

var families = [2]string{"ip4", "ip6"}

// familyAnswer is that of one family.
type familyAnswer struct {
	family int
	all    []Endpoint
	err    error
}

func (d *dns) resolve(ctx context.Context) ([]Endpoint, error) {
	if addr, err := netip.ParseAddr(d.host); err == nil { // LookupNetIP would drop its zone
		return []Endpoint{d.endpoint(addr)}, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, d.names.timeout())
	defer cancel()
	answers := make(chan familyAnswer, len(families))
	for i := range families {
		go func() { answers <- d.lookUp(ctx, i) }()
	}
	found, errs := d.collect(answers, cancel)
	d.asked = true
	if len(errs) > 0 && !found {
		return nil, fmt.Errorf("cluster: resolve %s: %w", d.host, errors.Join(errs...))
	}
	return slices.Concat(d.known[0], d.known[1]), nil
}

// collect takes note of the answers, and returns whether one has addresses, and the
// failures. All look-ups have ended then, or the next one would be merged with what is
// left of them.
func (d *dns) collect(answers <-chan familyAnswer, cancel func()) (found bool, errs []error) {
	for range families {
		a := <-answers
		if a.err != nil {
			errs = append(errs, a.err)
			continue
		}
		d.known[a.family] = a.all
		found = found || len(a.all) > 0
		if len(a.all) > 0 && !d.asked {
			defer time.AfterFunc(familyDelay, cancel).Stop()
		}
	}
	return found, errs
}

func (d *dns) lookUp(ctx context.Context, family int) familyAnswer {
	addrs, err := d.names.resolver().LookupNetIP(ctx, families[family], d.host)
	if notFound, ok := errors.AsType[*net.DNSError](err); ok && notFound.IsNotFound {
		err = nil // there are none of this family, or there is no such name
	}
	a := familyAnswer{family: family, err: err}
	for _, addr := range addrs {
		a.all = append(a.all, d.endpoint(addr))
	}
	return a
}

func (d *dns) endpoint(addr netip.Addr) Endpoint {
	return Endpoint{Address: net.JoinHostPort(addr.Unmap().String(), d.port)}
}

// SRV returns a Config.Resolve for the servers of a service as RFC 2782 has them:
// those of the lowest priority first, by weight. Their addresses are names, resolved
// at each dial. As with [net.LookupSRV], with service and proto empty, name is looked
// up as it is. The target ".", by which a name says that there is no such service, is
// an answer without endpoints.
func (n Names) SRV(service, proto, name string) func(context.Context) ([]Endpoint, error) {
	return func(ctx context.Context) ([]Endpoint, error) {
		ctx, cancel := context.WithTimeout(ctx, n.timeout())
		defer cancel()
		_, records, err := n.resolver().LookupSRV(ctx, service, proto, name)
		if err != nil && len(records) == 0 {
			return nil, fmt.Errorf("cluster: resolve SRV %s: %w", name, err)
		}
		return endpointsOfSRV(records), nil
	}
}

// weightless is what a weight of 0 is beside others: "a very small chance".
const weightless = 0.1

func endpointsOfSRV(records []*net.SRV) (all []Endpoint) {
	for _, r := range records {
		host := strings.ToLower(strings.TrimSuffix(r.Target, ".")) // as another server may spell it
		if host == "" {
			continue
		}
		all = append(all, Endpoint{
			Address:  net.JoinHostPort(host, strconv.Itoa(int(r.Port))),
			Priority: int(r.Priority), Weight: cmp.Or(float64(r.Weight), weightless),
		})
	}
	return all
}
