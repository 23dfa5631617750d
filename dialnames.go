package hale

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"
)

// leastShare is the least time from one address of a family to the next, as RFC 8305
// (5) has it.
const leastShare = 100 * time.Millisecond

// defaultFallback is from when on the other family is tried, where
// [net.Dialer.FallbackDelay] is zero.
const defaultFallback = 300 * time.Millisecond

// dividesNames reports whether the time for a name is divided among its addresses here.
// Package net does what depends on more than those.
func dividesNames(nd *net.Dialer) bool {
	return nd.LocalAddr == nil && !slices.Contains([]string{"plan9", "js", "wasip1"}, runtime.GOOS)
}

// A nameDial is the dial of a name with more than one address. Package net has two seconds at
// least for each address, one after the other, and of a short time nothing for the last
// of them. Here the turn of each comes after an equal share of the time, or when the one
// before it has failed; and those before may answer until the end.
type nameDial struct {
	nd            *net.Dialer
	network, port string

	results chan result
	over    chan struct{} // closed when somebody has the result
}

// result is what became of the attempt at one address.
type result struct {
	conn  net.Conn
	err   error
	place int // in the order of the addresses
}

// dialName dials a name until ctx ends, at the time deadline.
func dialName(ctx context.Context, nd *net.Dialer, network, host, port string, deadline time.Time) (net.Conn, error) {
	addrs, err := addresses(lookUp{ctx}, nd.Resolver, network, host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	switch len(addrs) {
	case 0: // package net says so
		return nd.DialContext(ctx, network, net.JoinHostPort(host, port))
	case 1:
		return nd.DialContext(ctx, network, net.JoinHostPort(addrs[0].String(), port))
	}
	r := &nameDial{nd: nd, network: network, port: port, results: make(chan result), over: make(chan struct{})}
	defer close(r.over)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go r.run(ctx, addrs, deadline)
	return r.first()
}

// addresses looks a name up as package net does for a dial.
func addresses(ctx context.Context, r *net.Resolver, network, host string) (addrs []net.IPAddr, err error) {
	if r == nil {
		r = net.DefaultResolver
	}
	if network == "tcp4" { // of which nobody is asked for the other family
		ips, err := r.LookupIP(ctx, "ip4", host)
		for _, ip := range ips {
			addrs = append(addrs, net.IPAddr{IP: ip})
		}
		return addrs, err
	}
	addrs, err = r.LookupIPAddr(ctx, host)
	if network == "tcp6" {
		addrs = slices.DeleteFunc(addrs, isIPv4)
	}
	return addrs, err
}

func isIPv4(a net.IPAddr) bool { return a.IP.To4() != nil }

// run has the family of the first address begin, and the other follow (Happy Eyeballs).
func (r *nameDial) run(ctx context.Context, addrs []net.IPAddr, deadline time.Time) {
	defer close(r.results)
	first, other := addrs, []net.IPAddr(nil)
	if r.network == "tcp" && r.nd.FallbackDelay >= 0 {
		first, other = byFamily(addrs)
	}
	var families sync.WaitGroup
	failed := make(chan struct{})
	families.Go(func() {
		defer close(failed)
		r.serve(ctx, first, 0, deadline)
	})
	if len(other) > 0 {
		delay := r.nd.FallbackDelay
		if delay == 0 {
			delay = defaultFallback
		}
		families.Go(func() {
			pause(ctx, failed, delay)
			r.serve(ctx, other, len(first), deadline)
		})
	}
	families.Wait()
}

// byFamily returns those of the first one's family, and the others.
func byFamily(addrs []net.IPAddr) (first, other []net.IPAddr) {
	for _, a := range addrs {
		if isIPv4(a) == isIPv4(addrs[0]) {
			first = append(first, a)
		} else {
			other = append(other, a)
		}
	}
	return first, other
}

// serve tries the addresses of a family, the first of which has a place in the order.
func (r *nameDial) serve(ctx context.Context, addrs []net.IPAddr, place int, deadline time.Time) {
	share := max(time.Until(deadline)/time.Duration(len(addrs)), leastShare)
	var attempts sync.WaitGroup
	defer attempts.Wait()
	for i, a := range addrs {
		if i > 0 && ctx.Err() != nil {
			return
		}
		failed := make(chan struct{})
		attempts.Go(func() {
			conn, err := r.nd.DialContext(ctx, r.network, net.JoinHostPort(a.String(), r.port))
			r.tell(result{conn, err, place + i})
			if err != nil {
				close(failed)
			}
		})
		pause(ctx, failed, share)
	}
}

// pause waits for d, at most until over is closed or ctx ends.
func pause(ctx context.Context, over <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	case <-ctx.Done():
	}
}

// tell hands a result over, or closes a connection that comes too late.
func (r *nameDial) tell(res result) {
	select {
	case r.results <- res:
	case <-r.over:
		if res.conn != nil {
			res.conn.Close()
		}
	}
}

// first returns the first connection, or the error of the first address.
func (r *nameDial) first() (net.Conn, error) {
	var err error
	place := -1
	for res := range r.results {
		if res.err == nil {
			return res.conn, nil
		}
		if place < 0 || res.place < place {
			place, err = res.place, res.err
		}
	}
	return nil, err
}
