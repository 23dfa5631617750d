package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"example.com/hale/internal/lab/program"
)

// patience is how long the collector may take to answer.
const patience = 5 * time.Second

// outside is what the program needs of the network outside. It may run where
// that is out of reach; sockets belong to the network they were made in.
type outside struct {
	collector net.Conn
	scrapes   net.Listener // or nil
}

// Close closes both.
func (o outside) Close() {
	o.collector.Close()
	if o.scrapes != nil {
		o.scrapes.Close()
	}
}

// open dials the collector and listens for Prometheus.
func open(o options) (outside, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	collector, err := new(net.Dialer).DialContext(ctx, "tcp", o.collector)
	if err != nil {
		return outside{}, program.Failure{Err: fmt.Errorf("no collector at %s: %w", o.collector, err), Status: exitCollector}
	}
	if o.prometheus == "" {
		return outside{collector: collector}, nil
	}
	scrapes, err := net.Listen("tcp", o.prometheus)
	if err != nil {
		collector.Close()
		return outside{}, fmt.Errorf("-prometheus %s: %w", o.prometheus, err)
	}
	return outside{collector, scrapes}, nil
}

// socketsEnv has the file descriptors of the sockets that were handed over.
const socketsEnv = "OTLP_SOCKETS"

// reach makes the sockets and hands them over to the process that Isolate
// starts, or to this one if it need not start another. In that other process
// there is nothing to do.
func reach(o options) error {
	if os.Getenv(socketsEnv) != "" {
		return nil
	}
	out, err := open(o)
	if err != nil {
		return err
	}
	defer out.Close() // what is handed over is a copy
	sockets := []any{out.collector}
	if out.scrapes != nil {
		sockets = append(sockets, out.scrapes)
	}
	var fds []string
	for _, s := range sockets {
		fd, err := handOver(s)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	return os.Setenv(socketsEnv, strings.Join(fds, " "))
}

// takeOver returns the sockets that were handed over.
func takeOver() (out outside, err error) {
	fds := strings.Fields(os.Getenv(socketsEnv))
	if err := os.Unsetenv(socketsEnv); err != nil {
		return out, err
	}
	for i, fd := range fds {
		f, err := inherited(fd)
		if err != nil {
			return out, err
		}
		if i == 0 {
			out.collector, err = net.FileConn(f)
		} else {
			out.scrapes, err = net.FileListener(f)
		}
		f.Close()
		if err != nil {
			return out, err
		}
	}
	return out, nil
}
