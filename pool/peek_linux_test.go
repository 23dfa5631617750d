package pool

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

func TestUnreadBytesAreToldByTheirFirst(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		head []byte
		want sight
	}{
		"plain text":                 {[]byte("421 t"), unread},
		"one byte":                   {[]byte{0x16}, unread},
		"a type that TLS has not":    {[]byte{0x18, 3, 3, 0, 19}, unread},
		"not TLS after all":          {[]byte{0x17, 2, 3, 0, 19}, unread},
		"no version of TLS":          {[]byte{0x17, 3, 9, 0, 19}, unread},
		"a ticket, 1.2":              {[]byte{0x16, 3, 3, 0, 200}, clean},
		"a ticket or data, 1.3":      {[]byte{0x17, 3, 3, 0, 250}, clean},
		"a record of which 3 bytes":  {[]byte{0x17, 3, 3}, clean},
		"an alert, 1.2":              {[]byte{0x15, 3, 3, 0, 26}, ended},
		"an alert, 1.3":              {[]byte{0x17, 3, 3, 0, 19}, unread},
		"a change of cipher, pseudo": {[]byte{0x14, 3, 3, 0, 1}, clean},
	} {
		if got, _ := classify(test.head); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestALookAllocatesNothing(t *testing.T) {
	client, server := testnet.Pair(t)
	raw := peekable(client)
	look := func() { _, _ = see(raw) }
	if n := testing.AllocsPerRun(100, look); n != 0 {
		t.Errorf("%v allocations if there is nothing", n)
	}
	_, _ = server.Write([]byte("reply"))
	awaitReadable(t, client)
	if n := testing.AllocsPerRun(100, look); n != 0 {
		t.Errorf("%v allocations if there is something", n)
	}
}

// A connection that says of itself that it is well may not have been told yet.
func TestAConnectionThatIsOverIsSeenByAcquire(t *testing.T) {
	t.Parallel()
	for cause, end := range map[health.Cause]func(*net.TCPConn){
		health.PeerClosed: func(c *net.TCPConn) { c.Close() },
		health.Reset:      func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
	} {
		t.Run(cause.String(), func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			p := poolOf(t, &vitalConn{TCPConn: client})
			c := acquireWrapped(t, p)
			_, _ = io.WriteString(c.Value(), "request")
			c.Release()
			_, _ = server.Read(make([]byte, 100))
			end(server)
			raw, err := client.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			for info, _ := health.Inspect(raw); info.State == health.TCPEstablished; info, _ = health.Inspect(raw) {
				time.Sleep(100 * time.Microsecond)
			}
			mustBeGone(t, p)
			if st := p.Stats(); st.Deaths[cause] != 1 || st.Recycled[ReasonDead] != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// poolOf is a pool that has conn and cannot dial another.
func poolOf(t *testing.T, conn net.Conn) *Pool[net.Conn] {
	t.Helper()
	p, err := New(Config[net.Conn]{Dial: once(conn), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func once(conn net.Conn) func(context.Context) (net.Conn, error) {
	conns := make(chan net.Conn, 1)
	conns <- conn
	return func(context.Context) (net.Conn, error) {
		select {
		case c := <-conns:
			return c, nil
		default:
			return nil, errRefused
		}
	}
}

func mustBeGone[T any](t *testing.T, p *Pool[T]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if c, err := p.Acquire(ctx); err == nil {
		t.Error("handed out")
		c.Release()
	}
}

// session has TLS inside, where no pool sees it.
type session struct {
	inside *tls.Conn
	lines  *bufio.Reader
}

func TestTLSInsideOfASessionNeedsNoKeepUnread(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := testnet.Pair(t)
			far := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, MaxVersion: version})
			done := make(chan struct{})
			go func() {
				defer close(done)
				r := bufio.NewReader(far)
				for {
					line, err := r.ReadString('\n')
					if err != nil || line == "bye\n" {
						_ = far.CloseWrite() // an alert, and no FIN
						return
					}
					if line != "quiet\n" {
						_, _ = io.WriteString(far, line)
					}
				}
			}()
			p, err := New(Config[*session]{
				Dial: once(&vitalConn{TCPConn: client}),
				Open: func(ctx context.Context, c net.Conn) (*session, error) {
					inside := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
					return &session{inside, bufio.NewReader(inside)}, inside.HandshakeContext(ctx)
				},
				MaxConns: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			say := func(line string) *session {
				c := acquireWrapped(t, p)
				defer c.Release()
				s := c.Value()
				_, _ = io.WriteString(s.inside, line)
				if line == "ping\n" {
					if reply, err := s.lines.ReadString('\n'); reply != line {
						t.Errorf("%q, %v", reply, err)
					}
				}
				return s
			}
			first := say("quiet\n") // the tickets of 1.3 lie unread
			for range 3 {
				if say("ping\n") != first {
					t.Fatal("another")
				}
			}
			say("bye\n")
			<-done
			awaitReadable(t, client)
			mustBeGone(t, p)
		})
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
