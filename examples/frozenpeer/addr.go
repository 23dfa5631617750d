package main

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/lab/peer"
	"example.com/hale/sockopt"
)

// there measures against a server that the user freezes at a moment we do not
// learn. What the kernel does tell is how long the peer had been silent when
// it was given up.
func (m *measurement) there(ctx context.Context) error {
	m.predict = sinceLastSign
	c, err := m.dial(ctx, "tcp", m.options.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	m.line.Print(time.Now(), "freeze the server now, or later: the time counts from its last sign of life")
	defer peer.EndReads(ctx, c)()
	m.hale = m.readOn(c)
	if errors.Is(m.hale.Err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	m.ended()
	return nil
}

// sinceLastSign is for an idle connection, counted from the peer's last
// segment: the idle time is over before anything is asked. Whether that
// segment answered a probe is not known.
func sinceLastSign(r sockopt.Report, _ time.Duration) prediction {
	earliest, latest := r.Window()
	probed := window(r, sockopt.Never)
	return prediction{min: min(earliest+max(r.Got.Idle, 0), latest, probed.max), max: max(latest, probed.max)}
}

// readOn reads whatever comes until the connection dies.
func (m *measurement) readOn(c net.Conn) peer.Outcome {
	last, b := time.Now(), make([]byte, 32<<10)
	for first := true; ; first = false {
		n, err := c.Read(b)
		o := peer.Outcome{At: time.Now(), Err: err}
		if err == nil {
			if last = o.At; first {
				m.line.Print(time.Now(), "read %d bytes", n)
			}
			continue
		}
		o.After = o.At.Sub(last)
		dead, ok := errors.AsType[*health.DeadError](err)
		switch {
		case ok && dead.Info.State > 0:
			o.After = dead.Silence
		case ok:
			m.line.Print(time.Now(), "this system does not tell when the peer was last heard of: counting from the last bytes read")
		}
		_, o.Next = c.Read(b)
		return o
	}
}
