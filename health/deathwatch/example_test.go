package deathwatch_test

import (
	"fmt"
	"log"
	"net"
	"syscall"
	"time"
	"weak"

	"example.com/hale/health"
	"example.com/hale/health/deathwatch"
)

// conn is a connection type of the program's own.
type conn struct {
	*net.TCPConn
	socket syscall.RawConn
	limits deathwatch.Limits
	told   chan string
}

func (c *conn) Socket() syscall.RawConn          { return c.socket }
func (c *conn) Limits() deathwatch.Limits        { return c.limits }
func (c *conn) PeerClosed(fin *health.DeadError) { c.told <- "closed: " + fin.Cause.String() }
func (c *conn) Dead(find func() *health.DeadError) *health.DeadError {
	dead := find()
	if dead != nil {
		c.told <- "dead: " + dead.Cause.String()
	}
	return dead
}
func (c *conn) Suspect(health.Info)   { c.told <- "suspect" }
func (c *conn) Recovered(health.Info) { c.told <- "recovered" }
func (c *conn) Sampled(health.Info)   {} // as Limits says
func (c *conn) watch() (*deathwatch.Supervision, error) {
	return deathwatch.Supervise(ref{weak.Make(c)})
}

// ref leads to a conn and does not keep it alive.
type ref struct{ weak.Pointer[conn] }

func (r ref) Subject() deathwatch.Subject {
	if c := r.Value(); c != nil {
		return c
	}
	return nil
}

func (r ref) Dropped() { fmt.Println("a connection was never closed") }

// pair returns a conn and its peer.
func pair() (c *conn, peer *net.TCPConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	c = &conn{TCPConn: client.(*net.TCPConn), told: make(chan string, 4)}
	if c.socket, err = c.SyscallConn(); err != nil {
		log.Fatal(err)
	}
	return c, server.(*net.TCPConn)
}

// Any connection can be watched for its death.
func ExampleWatch() {
	c, peer := pair()
	defer c.Close()
	died := make(chan health.Cause, 1)
	stop, err := deathwatch.Watch(c.TCPConn, func(dead *health.DeadError) { died <- dead.Cause })
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	_ = peer.SetLinger(0) // Close sends a reset
	peer.Close()
	fmt.Println(<-died)
	// Output: reset
}

// A connection type of one's own, as hale.Conn is one, is told of everything.
func ExampleSupervision() {
	c, peer := pair()
	defer c.Close()
	watch, err := deathwatch.Supervise(ref{weak.Make(c)})
	if err != nil {
		log.Fatal(err)
	}
	defer watch.Stop()
	_ = peer.SetLinger(0)
	peer.Close()
	fmt.Println(<-c.told)
	// Output: dead: reset
}

// An orderly close is no death: this side may go on sending.
func ExampleSubject() {
	c, peer := pair()
	defer c.Close()
	defer peer.Close()
	var _ deathwatch.Subject = c
	watch, err := c.watch()
	if err != nil {
		log.Fatal(err)
	}
	defer watch.Stop()
	_ = peer.CloseWrite()
	fmt.Println(<-c.told)
	// Output: closed: peer_closed
}

// Refs to one connection are equal, and go by a weak pointer so that the watch
// does not keep a connection that the program has lost.
func ExampleRef() {
	c, peer := pair()
	defer c.Close()
	defer peer.Close()
	var a, b deathwatch.Ref = ref{weak.Make(c)}, ref{weak.Make(c)}
	fmt.Println(a == b, a.Subject() == c)
	// Output: true true
}

// Limits are what the socket's own options say, and how long a silence may last.
func ExampleLimits() {
	c, peer := pair()
	defer c.Close()
	defer peer.Close()
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 9})
	c.limits = deathwatch.Limits{Idle: 15 * time.Second, Silence: time.Minute}
	watch, err := c.watch()
	if err != nil {
		log.Fatal(err)
	}
	defer watch.Stop()
	fmt.Println("a silence ends after", c.Limits().Silence)
	// Output: a silence ends after 1m0s
}
