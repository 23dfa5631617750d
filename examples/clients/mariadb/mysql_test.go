package mariadb

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"example.com/hale/health"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
)

// tls is what a client adds that wants TLS, and trusts anybody.
const tls = "?tls=skip-verify"

// openDB opens a handle, which is closed when the test ends.
func openDB(t *testing.T, dsn string, dial Dial) *sql.DB {
	t.Helper()
	db, err := OpenDB(dsn, dial, new(Deaths))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestTheDriverWorksUnchanged(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.MariaDB)
	for name, options := range map[string]string{"plain": "", "TLS": tls} {
		dsn := DSN(s.Addr) + options
		t.Run(name+"/megabytes come back", func(t *testing.T) {
			t.Parallel()
			fetchMuch(t, openDB(t, dsn, trialtest.Dialer().DialContext))
		})
		t.Run(name+"/a query can be left", func(t *testing.T) {
			t.Parallel()
			leaveQuery(t, openDB(t, dsn, trialtest.Dialer().DialContext))
		})
	}
	t.Run("by the name of a network", func(t *testing.T) {
		t.Parallel()
		var conns dialled.Conns
		Register("hale", conns.Dial)
		defer mysql.DeregisterDialContext("hale")
		db, err := sql.Open("mysql", "hale@hale("+s.Addr+")/test")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		fetchMuch(t, db)
		if len(conns.All()) == 0 {
			t.Error("nothing was dialled by hale")
		}
	})
}

// fetchMuch sends and reads more than the kernel takes at once.
func fetchMuch(t *testing.T, db *sql.DB) {
	sent := bytes.Repeat([]byte("hale"), 2<<20)
	var got []byte
	if err := db.QueryRowContext(dialled.Context(t), "select ?", sent).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d", len(got), len(sent))
	}
}

func leaveQuery(t *testing.T, db *sql.DB) {
	if err := db.PingContext(dialled.Context(t)); err != nil { // so that it has a connection
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(dialled.Context(t), 100*time.Millisecond)
	defer cancel()
	var n int
	if err := db.QueryRowContext(ctx, "select sleep(60)").Scan(&n); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := db.PingContext(dialled.Context(t)); err != nil {
		t.Error("the next one:", err)
	}
}

// What the server has closed while it was idle is found by the driver's own
// look at the socket, which a connection has to allow.
func TestTheDriversLivenessCheckRuns(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.MariaDB)
	administrator := openDB(t, DSN(s.Addr), trialtest.Dialer().DialContext)
	for _, c := range []struct {
		name    string
		options string
		wrap    func(Dial) Dial
		notices bool
	}{
		{"plain", "", unchanged, true},
		{"TLS", tls, unchanged, true},
		{"switched off", "?checkConnLiveness=false", unchanged, false},
		{"without a socket to look at", "", hiding, false},
	} {
		var conns dialled.Conns
		db := openDB(t, DSN(s.Addr)+c.options, c.wrap(conns.Dial))
		var id int64
		if err := db.QueryRowContext(dialled.Context(t), "select connection_id()").Scan(&id); err != nil {
			t.Fatal(err)
		}
		if _, err := administrator.ExecContext(dialled.Context(t), "kill connection ?", id); err != nil {
			t.Fatal(err)
		}
		conns.AwaitDeath(t)
		var next int64
		err := db.QueryRowContext(dialled.Context(t), "select connection_id()").Scan(&next)
		if c.notices && (err != nil || next == id) {
			t.Errorf("%s: %v on connection %d, which was killed as %d", c.name, err, next, id)
		}
		if !c.notices && !errors.Is(err, mysql.ErrInvalidConn) {
			t.Errorf("%s: %v, want %v: this test shows nothing", c.name, err, mysql.ErrInvalidConn)
		}
	}
}

func unchanged(dial Dial) Dial { return dial }

// hiding hides the socket of the connections that dial makes.
func hiding(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		return struct{ net.Conn }{c}, err
	}
}

func TestAnErrorIsExplainedByADeathThatHasJustBeen(t *testing.T) {
	t.Parallel()
	now := &health.DeadError{Cause: health.SendTimeout, Detected: time.Now(), Err: syscall.ETIMEDOUT}
	before := &health.DeadError{Cause: health.SendTimeout, Detected: now.Detected.Add(-time.Minute), Err: syscall.ETIMEDOUT}
	for _, c := range []struct {
		name   string
		logged any
		err    error
		want   health.Cause
	}{
		{"a death", now, mysql.ErrInvalidConn, health.SendTimeout},
		{"nothing", "busy buffer", mysql.ErrInvalidConn, health.Unknown},
		{"another error", errors.New("unexpected EOF"), mysql.ErrInvalidConn, health.Unknown},
		{"a death of long ago", before, mysql.ErrInvalidConn, health.Unknown},
		{"a death, but the query failed otherwise", now, sql.ErrNoRows, health.Unknown},
		{"a death, but the query went well", now, nil, health.Unknown},
	} {
		var d Deaths
		d.Print("packets.go:58 ", c.logged)
		err := d.Explain(c.err)
		if got := health.Classify(err); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v with %v", c.name, err, c.err, c.want)
		}
		if c.want != health.Unknown && !strings.Contains(err.Error(), c.want.String()) {
			t.Errorf("%s: %v does not name the cause", c.name, err)
		}
	}
}
