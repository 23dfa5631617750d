package explain_test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"example.com/hale"
	"example.com/hale/examples/clients/explain"
	"example.com/hale/health"
)

var errHidden = errors.New("driver: bad connection")

// dial returns both ends of a connection.
func dial(t testing.TB) (client net.Conn, server *net.TCPConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = hale.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); far.Close() })
	return client, far.(*net.TCPConn)
}

func TestAHiddenCauseIsFoundOnTheConnection(t *testing.T) {
	t.Parallel()
	client, server := dial(t)
	if err := explain.Error(errHidden, client); err != errHidden {
		t.Errorf("of a connection that lives: %v", err)
	}
	_ = server.SetLinger(0)
	server.Close()
	select {
	case <-client.(*hale.Conn).Done():
	case <-time.After(10 * time.Second):
		t.Fatal("no death")
	}
	err := explain.Error(errHidden, client)
	if !errors.Is(err, errHidden) || health.Classify(err) != health.Reset {
		t.Errorf("%v, want both the library's error and the reset", err)
	}
	if again := explain.Error(err, client); again != err {
		t.Errorf("explained twice: %v", again)
	}
	if err := explain.Error(nil, client); err != nil {
		t.Errorf("an error of none: %v", err)
	}
}

func Example() {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	// Of a connection that is not hale's there is nothing to say.
	fmt.Println(explain.Error(errors.New("driver: bad connection"), near))
	// Output: driver: bad connection
}
