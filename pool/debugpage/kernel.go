package debugpage

import (
	"errors"
	"net"
	"syscall"
	"time"

	"example.com/hale/health"
	"example.com/hale/internal/netconn"
	"example.com/hale/sockopt"
)

// facts is what a connection and its kernel tell of it now.
type facts struct {
	info    health.Info
	known   bool // info is
	set     sockopt.KeepAlive
	isSet   bool // set is what the kernel holds
	planned bool // the connection tells of a plan
	window  window

	promised time.Duration // within what time a peer that vanishes is noticed; 0 if that is not said
}

// window is from when to when after its vanishing an idle peer is given up.
type window struct{ earliest, latest time.Duration }

// planned is a connection that has a plan of options, as a hale.Conn.
type planned interface{ Report() sockopt.Report }

// ask asks a connection, and its kernel by two system calls. Nothing is sent.
func ask(c net.Conn) (f facts) {
	if sc, ok := netconn.Find[syscall.Conn](c); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			f.info, err = health.Inspect(raw)
			f.known = err == nil
		}
	}
	f.plan(c)
	return f
}

// plan fills in what is set, without a system call.
func (f *facts) plan(c net.Conn) {
	p, ok := netconn.Find[planned](c)
	if !ok {
		return
	}
	r := p.Report()
	f.planned, f.set, f.isSet = true, r.Got, r.Got.Idle > 0
	if !f.isSet {
		f.set = r.Effective
	}
	f.window.earliest, f.window.latest = r.Window()
	if f.promised = r.Asked.Within; f.promised <= 0 && f.window.latest != sockopt.Never {
		f.promised = max(0, f.window.latest)
	}
}

// Why it is not known when a peer that is gone would be noticed.
var (
	errNeverNoticed = errors.New("never: keepalive is off")
	errNotTold      = errors.New("the connection does not tell its options")
)

// noticed is within what time it would be noticed, at the latest, if the peer were
// gone from now on; or, of a peer that leaves a probe unanswered, if it is gone
// already. With data under way it is what is promised for that; for an idle
// connection, the time to the next probe, and then the kernel's verdict.
func (f facts) noticed() (time.Duration, error) {
	latest := f.window.latest
	switch {
	case !f.planned:
		return 0, errNotTold
	case latest == sockopt.Never:
		return 0, errNeverNoticed
	case latest <= 0:
		return 0, errNotTold
	case !f.known || f.info.Unacked > 0 && f.info.Probes == 0:
		return latest, nil
	}
	quiet := f.info.Silence()
	if f.info.Probes > 0 {
		return max(0, latest-quiet), nil
	}
	return min(latest, max(0, f.set.Idle-quiet)+f.window.earliest), nil
}
