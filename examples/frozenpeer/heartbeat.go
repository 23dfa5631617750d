package main

import (
	"context"
	"io"
	"net"
	"time"

	"example.com/hale"
	"example.com/hale/health"
	"example.com/hale/health/heartbeat"
	"example.com/hale/internal/lab/peer"
)

const (
	beatInterval = 500 * time.Millisecond
	beatTimeout  = time.Second
)

// noticed is when the heartbeat has to have found a stopped process, as
// [heartbeat.Prober] has it.
var noticed = prediction{max: beatInterval*11/10 + beatTimeout}

// beat asks the peer at address by a connection of its own, until stop is
// called.
func (m *measurement) beat(ctx context.Context, address string) (stop func(), err error) {
	conn, err := new(hale.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err = io.ReadFull(conn, make([]byte, len(peer.Greeting))); err != nil {
		conn.Close()
		return nil, err
	}
	r := &heartbeat.Prober{Interval: beatInterval, Timeout: beatTimeout, Probe: echo}
	pulse, err := r.Start(conn, func(dead *health.DeadError) {
		m.line.Print(dead.Detected, "a heartbeat on another connection: %v", dead)
		m.failed <- dead.Detected
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return func() { pulse.Stop(); conn.Close() }, nil
}

// echo sends one byte, which the peer sends back.
func echo(_ context.Context, c net.Conn) error {
	b := []byte{0}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}
