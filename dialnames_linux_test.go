package hale

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/sockopt"
)

// servers listen at one port of so many addresses of a subnet, as a word says each.
type servers struct {
	addrs []netip.Addr
	port  string
	thaw  []func()
}

func serve(t *testing.T, subnet string, words []string) *servers {
	t.Helper()
	for range 20 { // somebody may have the port at one of them
		if s, ok := tryServe(t, subnet, words); ok {
			return s
		}
	}
	t.Fatal("no port is free at all of the addresses")
	return nil
}

func tryServe(t *testing.T, subnet string, words []string) (*servers, bool) {
	s := &servers{port: "0"}
	for i, word := range words {
		addr := netip.MustParseAddr(subnet + strconv.Itoa(i+1))
		s.addrs = append(s.addrs, addr)
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		l, err := lc.Listen(t.Context(), "tcp4", net.JoinHostPort(addr.String(), s.port))
		if err != nil {
			return nil, false
		}
		_, s.port, _ = net.SplitHostPort(l.Addr().String())
		t.Cleanup(func() { l.Close() })
		switch word {
		case "refuses":
			l.Close()
		case "silent":
			s.thaw = append(s.thaw, testnet.FreezeListener(t, l))
		}
	}
	return s, true
}

// Every address of a name has its turn within the promise.
func TestEachAddressOfANameHasItsTurn(t *testing.T) {
	t.Parallel()
	silent := func(n int, last string) []string {
		return append(strings.Split(strings.Repeat("silent ", n)[:7*n-1], " "), last)
	}
	second := time.Second
	for i, test := range []struct {
		name   string
		words  []string
		within time.Duration
		turn   time.Duration // of the one that is connected to; all of the promise is for a timeout
		late   time.Duration // when those that are silent begin to answer
	}{
		{"two, the second well", silent(1, "well"), 4 * second, 2 * second, 0},
		{"three, the last well", silent(2, "well"), 3 * second, 2 * second, 0},
		{"five, the last well", silent(4, "well"), 5 * second, 4 * second, 0},
		{"ten, the last well", silent(9, "well"), 10 * second, 9 * second, 0},
		{"five, all silent", silent(4, "silent"), 5 * second, 5 * second, 0},
		{"those that refuse take no time", []string{"refuses", "refuses", "silent", "refuses", "well"}, 5 * second, second, 0},
		{"the first answers after its turn", silent(3, "silent"), 8 * second, 2500 * time.Millisecond, 2500 * time.Millisecond}, // the SYN is sent again after 1 and 3 s
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "127.0."+strconv.Itoa(30+i)+".", test.words)
			if test.late > 0 {
				time.AfterFunc(test.late, s.thaw[0])
			}
			d := &Dialer{NetDialer: &net.Dialer{Resolver: resolver(s.addrs...)}, KeepAlive: sockopt.Within(test.within)}
			start := time.Now()
			c, err := d.Dial("tcp", net.JoinHostPort("service.test.", s.port))
			if passed := time.Since(start); passed < test.turn-100*time.Millisecond {
				t.Errorf("it took %v, and its turn is after %v", passed, test.turn)
			}
			if test.turn < test.within {
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			if op := (*net.OpError)(nil); !timedOut(err) || !errors.As(err, &op) || op.Addr == nil || op.Addr.String() != net.JoinHostPort(s.addrs[0].String(), s.port) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestOfANameWhoseAddressesRefuseTheFirstErrorIsTold(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.40.", []string{"refuses", "refuses", "refuses"})
	_, err := (&Dialer{NetDialer: &net.Dialer{Resolver: resolver(s.addrs...)}}).Dial("tcp", net.JoinHostPort("service.test.", s.port))
	theirs := &net.Dialer{Resolver: resolver(s.addrs...)}
	_, want := theirs.DialContext(t.Context(), "tcp", net.JoinHostPort("service.test.", s.port))
	if !errors.Is(err, syscall.ECONNREFUSED) || err.Error() != want.Error() {
		t.Errorf("%v, but package net says %v", err, want)
	}
}

// What is not divided here is as package net has it, and so are the errors.
func TestADialOfANameIsOtherwiseAsPackageNetHasIt(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.41.", []string{"well", "well"})
	none := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.EHOSTUNREACH }}
	address := net.JoinHostPort("service.test.", s.port)
	for name, test := range map[string]struct {
		network, address string
		nd               net.Dialer
	}{
		"tcp":                                 {"tcp", address, net.Dialer{}},
		"tcp4":                                {"tcp4", address, net.Dialer{}},
		"tcp6, of which there is none":        {"tcp6", address, net.Dialer{}},
		"without Happy Eyeballs":              {"tcp", address, net.Dialer{FallbackDelay: -1}},
		"a local address":                     {"tcp", address, net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 41, 9)}}},
		"a local address of the other family": {"tcp", address, net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv6loopback}}},
		"a name that cannot be looked up":     {"tcp", address, net.Dialer{Resolver: none}},
		"no port":                             {"tcp", "service.test.", net.Dialer{}},
		"no such port":                        {"tcp", "service.test.:nosuchport", net.Dialer{}},
		"an empty address":                    {"tcp", "", net.Dialer{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.nd.Resolver == nil {
				test.nd.Resolver = resolver(s.addrs...)
			}
			var controls atomic.Int32
			test.nd.Control = func(string, string, syscall.RawConn) error { controls.Add(1); return nil }
			c, err := (&Dialer{NetDialer: &test.nd}).Dial(test.network, test.address)
			theirs, want := test.nd.Dial(test.network, test.address)
			if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
				t.Fatalf("%v, but package net says %v", err, want)
			}
			if err != nil {
				return
			}
			if c.RemoteAddr().String() != theirs.RemoteAddr().String() || controls.Load() != 2 {
				t.Errorf("%v, and package net's %v; %d calls of Control", c.RemoteAddr(), theirs.RemoteAddr(), controls.Load())
			}
			c.Close()
			theirs.Close()
		})
	}
}

func TestADialOfManyAddressesEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.42.", []string{"silent", "silent", "silent"})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	_, err := (&Dialer{NetDialer: &net.Dialer{Resolver: resolver(s.addrs...)}}).DialContext(ctx, "tcp", net.JoinHostPort("service.test.", s.port))
	if err == nil || timedOut(err) || !strings.Contains(err.Error(), "canceled") {
		t.Error(err)
	}
	if passed := time.Since(start); passed > 10*time.Second { // of 30
		t.Errorf("it took %v", passed)
	}
}

// Who traces a dial is told of the look-up, and of connects to the addresses only.
func TestATraceOfADialIsAsPackageNetHasIt(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.7.", []string{"refuses", "answers"})
	names := resolver(s.addrs...)
	asks := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if c, err := new(net.Dialer).DialContext(ctx, "udp", "127.0.0.1:9"); err == nil {
			c.Close()
		}
		return names.Dial(ctx, network, address)
	}}
	trace := func(dial func(ctx context.Context, network, address string) (net.Conn, error)) string {
		var mu sync.Mutex
		var told []string
		tell := func(text string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, text)
		}
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			DNSStart:     func(i httptrace.DNSStartInfo) { tell("look up " + i.Host) },
			DNSDone:      func(i httptrace.DNSDoneInfo) { tell("found " + strconv.Itoa(len(i.Addrs))) },
			ConnectStart: func(network, addr string) { tell("connect " + network + " " + addr) },
			ConnectDone: func(network, addr string, err error) {
				tell("connected " + addr + " " + strconv.FormatBool(err == nil))
			},
		})
		c, err := dial(ctx, "tcp4", net.JoinHostPort("service.test.", s.port))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(told, "\n")
	}
	ours := trace((&Dialer{NetDialer: &net.Dialer{Resolver: asks}}).DialContext)
	theirs := trace((&net.Dialer{Resolver: asks}).DialContext)
	if ours != theirs || !strings.Contains(ours, "look up service.test.") || strings.Contains(ours, "udp") {
		t.Errorf("a trace of hale:\n%s\nof net:\n%s", ours, theirs)
	}
}
