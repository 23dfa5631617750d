package outage

import (
	"context"
	"errors"
	"net"
	"sync"

	"example.com/hale/health/healthtest"
)

// A line is what a client dials through: its dials are counted, and its ends of the
// connections can be made deaf. The server's alone would not do: a kernel that hears
// nothing goes on to send what was not acknowledged, which is a sign of life.
type line struct {
	mu    sync.Mutex // guards what follows
	dials int
	conns []net.Conn
}

// through is dial, by the line. The connections are those of dial: there are clients
// that look at the type.
func (l *line) through(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		l.mu.Lock()
		l.dials++
		l.mu.Unlock()
		c, err := dial(ctx, network, addr)
		if err == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.conns = append(l.conns, c)
		}
		return c, err
	}
}

func (l *line) dialled() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dials
}

// cut makes the client's ends deaf, until mend.
func (l *line) cut() (mend func() error, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var mends []func() error
	mend = func() (err error) {
		for _, m := range mends {
			err = errors.Join(err, m())
		}
		return err
	}
	for _, c := range l.conns {
		m, err := healthtest.Freeze(c)
		switch {
		case errors.Is(err, net.ErrClosed):
		case err != nil:
			return nil, errors.Join(err, mend())
		default:
			mends = append(mends, m)
		}
	}
	return mend, nil
}
