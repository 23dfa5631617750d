package cluster

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A nameServer answers questions on loopback by what a test has set; a type that it
// has no answers for is "no such data", and a silent one gets none.
type nameServer struct {
	conn net.PacketConn

	mu     sync.Mutex
	a      []string
	aaaa   []string
	srv    []net.SRV
	silent map[dnsmessage.Type]bool
	fail   map[dnsmessage.Type]bool
	asked  []net.Conn // by which questions have come
	over   bool       // nothing can be asked any more
}

// serveNames serves a name on loopback. It is not for tests that are parallel: others keep
// the processors busy for seconds, and package net waits by the clock.
func serveNames(t *testing.T) (*nameServer, Names) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn, silent: map[dnsmessage.Type]bool{}, fail: map[dnsmessage.Type]bool{}}
	var wg sync.WaitGroup
	wg.Go(s.serve)
	t.Cleanup(func() {
		conn.Close()
		wg.Wait()
		s.set(func() {
			s.over = true
			for _, c := range s.asked { // or else package net would wait for answers that do not come
				c.Close()
			}
		})
	})
	return s, Names{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
		if err != nil {
			return nil, err
		}
		s.set(func() {
			if s.asked = append(s.asked, c); s.over {
				c.Close()
			}
		})
		return c, nil
	}}}
}

func (s *nameServer) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *nameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		if reply, ok := s.answer(m); ok {
			packed, _ := reply.Pack()
			_, _ = s.conn.WriteTo(packed, from)
		}
	}
}

func (s *nameServer) answer(m dnsmessage.Message) (dnsmessage.Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Authoritative = true, true, true
	m.Additionals = nil
	if s.silent[q.Type] {
		return m, false
	}
	if s.fail[q.Type] {
		m.RCode = dnsmessage.RCodeServerFailure
		return m, true
	}
	add := func(body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: body})
	}
	switch q.Type {
	case dnsmessage.TypeA:
		for _, a := range s.a {
			add(&dnsmessage.AResource{A: [4]byte(net.ParseIP(a).To4())})
		}
	case dnsmessage.TypeAAAA:
		for _, a := range s.aaaa {
			add(&dnsmessage.AAAAResource{AAAA: [16]byte(net.ParseIP(a))})
		}
	case dnsmessage.TypeSRV:
		for _, r := range s.srv {
			add(&dnsmessage.SRVResource{Priority: r.Priority, Weight: r.Weight, Port: r.Port, Target: dnsmessage.MustNewName(r.Target)})
		}
	}
	return m, true
}

func lookUp(t *testing.T, resolve func(context.Context) ([]Endpoint, error)) (all []string, took time.Duration, err error) {
	t.Helper()
	start := time.Now()
	got, err := resolve(t.Context())
	took = time.Since(start)
	for _, e := range got {
		all = append(all, e.Address)
	}
	slices.Sort(all)
	return all, took, err
}

// resolvesTo fails the test unless an answer is as wanted: one of a few, for on a busy
// machine the time of one may pass before an answer is read.
func resolvesTo(t *testing.T, resolve func(context.Context) ([]Endpoint, error), want ...string) {
	t.Helper()
	var got []string
	var err error
	for range 5 {
		if got, _, err = lookUp(t, resolve); err == nil && slices.Equal(got, want) {
			return
		}
	}
	t.Errorf("%v, %v, want %v", got, err, want)
}

func TestBothFamiliesOfANameAreEndpoints(t *testing.T) {
	s, names := serveNames(t)
	names.Timeout = 20 * time.Second // for a machine that is busy
	s.set(func() { s.a, s.aaaa = []string{"10.0.0.1", "10.0.0.2"}, []string{"fd00::1"} })
	resolve := names.DNS("db.example.", "5432")
	_, _, _ = lookUp(t, resolve) // on a busy machine the first may wait for one of them only
	if got, _, err := lookUp(t, resolve); err != nil || !slices.Equal(got, []string{"10.0.0.1:5432", "10.0.0.2:5432", "[fd00::1]:5432"}) {
		t.Error(got, err)
	}
	s.set(func() { s.a = []string{"10.0.0.2"} })
	if got, _, err := lookUp(t, resolve); err != nil || !slices.Equal(got, []string{"10.0.0.2:5432", "[fd00::1]:5432"}) {
		t.Error(got, err)
	}
}

func TestASilentFamilyCostsNobodyTheOther(t *testing.T) {
	s, names := serveNames(t)
	names.Timeout = 3 * time.Second
	s.set(func() { s.a, s.aaaa = []string{"10.0.0.1"}, []string{"fd00::1"} })
	s.set(func() { s.silent[dnsmessage.TypeAAAA] = true })
	resolve := names.DNS("db.example.", "5432")
	if got, took, err := lookUp(t, resolve); err != nil || !slices.Equal(got, []string{"10.0.0.1:5432"}) || took > 2900*time.Millisecond {
		t.Error(got, err, took)
	}
	s.set(func() { s.silent[dnsmessage.TypeAAAA] = false })
	resolvesTo(t, resolve, "10.0.0.1:5432", "[fd00::1]:5432")
	s.set(func() { s.silent[dnsmessage.TypeAAAA], s.a = true, []string{"10.0.0.9"} })
	resolvesTo(t, resolve, "10.0.0.9:5432", "[fd00::1]:5432") // what was known of the silent one is kept
	s.set(func() { s.silent[dnsmessage.TypeA] = true })
	if got, took, err := lookUp(t, resolve); err == nil || took > 10*time.Second {
		t.Error("both are silent:", got, took)
	}
}

func TestANameWithoutAddressesIsAnEmptyAnswer(t *testing.T) {
	s, names := serveNames(t)
	if got, _, err := lookUp(t, names.DNS("db.example.", "5432")); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	s.set(func() { s.fail[dnsmessage.TypeA], s.fail[dnsmessage.TypeAAAA] = true, true })
	if got, _, err := lookUp(t, names.DNS("db.example.", "5432")); err == nil || !strings.HasPrefix(err.Error(), "cluster: resolve db.example.: ") {
		t.Error(got, err)
	}
}

// An answer without an address is none beside a look-up that has failed: what is known is
// old then, and the error says why.
func TestAFamilyThatFailsIsToldOfIfTheOtherHasNothing(t *testing.T) {
	s, names := serveNames(t)
	s.set(func() { s.fail[dnsmessage.TypeA] = true })
	resolve := names.DNS("db.example.", "5432")
	for range 2 {
		if got, _, err := lookUp(t, resolve); err == nil || !strings.HasPrefix(err.Error(), "cluster: resolve db.example.: ") {
			t.Error(got, err)
		}
		s.set(func() { s.fail[dnsmessage.TypeA], s.a = false, []string{"10.0.0.1"} })
		if got, _, err := lookUp(t, resolve); err != nil || len(got) != 1 {
			t.Error(got, err)
		}
		s.set(func() { s.fail[dnsmessage.TypeA] = true })
	}
}

func TestAddressesAreEndpointsWithoutANameServer(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"127.0.0.1": "127.0.0.1:80", "::1": "[::1]:80", "fe80::1%lo": "[fe80::1%lo]:80", "::ffff:10.0.0.1": "10.0.0.1:80",
	} {
		if got, _, err := lookUp(t, DNS(host, "80")); err != nil || !slices.Equal(got, []string{want}) {
			t.Error(got, err)
		}
	}
	if got, _, err := lookUp(t, Static("a:1", "b:2")); err != nil || !slices.Equal(got, []string{"a:1", "b:2"}) {
		t.Error(got, err)
	}
}

func TestServersOfAServiceHavePrioritiesAndWeights(t *testing.T) {
	s, names := serveNames(t)
	s.set(func() {
		s.srv = []net.SRV{{Target: "b.example.", Port: 2, Priority: 20, Weight: 5}, {Target: "a.example.", Port: 1, Priority: 10}, {Target: "C.Example.", Port: 3, Priority: 10, Weight: 60}}
	})
	got, err := names.SRV("pg", "tcp", "example.")(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b Endpoint) int { return strings.Compare(a.Address, b.Address) })
	want := []Endpoint{{Address: "a.example:1", Priority: 10, Weight: weightless}, {Address: "b.example:2", Priority: 20, Weight: 5}, {Address: "c.example:3", Priority: 10, Weight: 60}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	s.set(func() { s.srv = []net.SRV{{Target: "."}} })
	if got, err := names.SRV("pg", "tcp", "example.")(t.Context()); err != nil || len(got) != 0 {
		t.Error("no such service:", got, err)
	}
}
