package hale

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/lab/twin"
	"example.com/hale/sockopt"
)

// took fails the test unless the time since start is d, give or take half a
// second.
func took(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	if passed := time.Since(start); passed < d-500*time.Millisecond || passed > d+500*time.Millisecond {
		t.Errorf("it took %v, want %v", passed, d)
	}
}

func TestADialIntoABlackHoleFailsWithinThePromise(t *testing.T) {
	t.Parallel()
	l := testnet.Listen(t)
	testnet.FreezeListener(t, l)
	start := time.Now()
	_, err := (&Dialer{KeepAlive: sockopt.Within(3 * time.Second)}).Dial("tcp", l.Addr().String())
	took(t, start, 3*time.Second)
	_, theirs := (&net.Dialer{Timeout: 10 * time.Millisecond}).Dial("tcp", l.Addr().String())
	if !timedOut(err) || err.Error() != theirs.Error() {
		t.Errorf("%v, but package net says %v", err, theirs)
	}
	// Package net gives one or the other, as it comes.
	if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no deadline: %v", err)
	}
}

// The first address has its share of the bound, not all of it.
func TestTheSecondAddressOfANameIsReachedWithinThePromise(t *testing.T) {
	t.Parallel()
	frozen := testnet.Listen(t)
	port := frozen.Addr().(*net.TCPAddr).Port
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: port})
	for range 10 { // somebody may have the port there
		if err == nil {
			break
		}
		frozen = testnet.Listen(t)
		port = frozen.Addr().(*net.TCPAddr).Port
		l, err = net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: port})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	testnet.FreezeListener(t, frozen)
	d := &Dialer{
		NetDialer: &net.Dialer{Resolver: resolver(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"))},
		KeepAlive: sockopt.Within(4 * time.Second),
	}
	start := time.Now()
	c, err := d.Dial("tcp", net.JoinHostPort("service.test.", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	took(t, start, 2*time.Second)
}

func TestALookUpIsWithinThePromise(t *testing.T) {
	t.Parallel()
	silent := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	d := &Dialer{NetDialer: &net.Dialer{Resolver: silent}, KeepAlive: sockopt.Within(2 * time.Second)}
	start := time.Now()
	_, err := d.Dial("tcp", "service.test.:1")
	if !timedOut(err) {
		t.Error(err)
	}
	took(t, start, 2*time.Second)
}

// resolver knows one name, whatever it is asked for.
func resolver(answer ...netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go answerOne(server, answer)
		return client, nil
	}}
}

// answerOne answers a query as over TCP, where its length comes first.
func answerOne(c net.Conn, answer []netip.Addr) {
	defer c.Close()
	length := make([]byte, 2)
	if _, err := io.ReadFull(c, length); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(length))
	var m dnsmessage.Message
	if _, err := io.ReadFull(c, query); err != nil || m.Unpack(query) != nil {
		return
	}
	reply, err := replyTo(m, answer)
	if err == nil {
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	}
}

func replyTo(m dnsmessage.Message, answer []netip.Addr) ([]byte, error) {
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	for _, addr := range answer {
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
				Body:   &dnsmessage.AResource{A: addr.As4()},
			})
		}
	}
	return m.Pack()
}

// The server is out of reach until just before the process goes on, when the
// time for the dial is over.
func TestADialThatAStandstillEndedIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, resolver := range map[string]*net.Resolver{
		"an address":              nil,
		"a name":                  resolver(netip.MustParseAddr("127.0.0.1")),
		"a name of two addresses": resolver(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if address, ok := twin.Role(t); ok {
				dialThatIsStopped(t, address, resolver)
				return
			}
			l := testnet.Listen(t)
			thaw := testnet.FreezeListener(t, l)
			p := twin.Start(t, l.Addr().String())
			p.Line() // the dial is under way
			p.Stop()
			time.Sleep(3 * time.Second)
			thaw()
			p.Continue()
			if line := p.Line(); line != "connected" {
				t.Error(line)
			}
			p.End()
		})
	}
}

func dialThatIsStopped(t *testing.T, address string, resolver *net.Resolver) {
	done, began := make(chan string), make(chan struct{}, 9)
	nd := &net.Dialer{Resolver: resolver, Control: func(string, string, syscall.RawConn) error {
		began <- struct{}{}
		return nil
	}}
	if resolver != nil {
		_, port, _ := net.SplitHostPort(address)
		address = net.JoinHostPort("service.test.", port)
	}
	go func() {
		c, err := (&Dialer{NetDialer: nd, KeepAlive: sockopt.Within(2 * time.Second)}).Dial("tcp", address)
		if err != nil {
			done <- err.Error()
			return
		}
		c.Close()
		done <- "connected"
	}()
	<-began
	twin.StandStill(2*time.Second, "dialling")
	twin.Say("%s", <-done)
}
