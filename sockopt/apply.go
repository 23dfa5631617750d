package sockopt

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"example.com/hale/internal/rawconn"
)

// socket is what one operating system does with one open descriptor.
type socket interface {
	set(Op) error
	get(Op) (int, error)

	// lacks reports whether err, from set, means that an option does not
	// exist although the plan took it for granted, and that the older way is
	// worth a try.
	lacks(err error) bool

	// rto is the path's retransmission timeout, zero if the system does not
	// tell.
	rto() time.Duration
}

// Apply sets what the plan lists on an open TCP socket and reads it back. It
// goes on after a refused option; [Report] says what became of each, and
// [Report.Err] whether that is all that was asked for.
//
// The error is for a socket that could not be used at all ([net.ErrClosed]
// after Close), or for a plan made for another operating system than the one
// running. Success does not mean that the connection lives: Linux sets
// options on a dead socket without complaint, Darwin and FreeBSD refuse.
//
// On Windows an option that turns out not to exist (WSAENOPROTOOPT), whatever
// the version claims, is replaced by SIO_KEEPALIVE_VALS as in the plan for an
// older build; Path and Effective of the Report then say so.
//
// On Linux a TCP_USER_TIMEOUT or a TCP_RTO_MAX_MS that is set before the
// connection stands shortens the connect as well, so apply a plan to the finished
// connection. The pace is then raised to twice the retransmission timeout that
// the kernel has worked out for the path, in whole seconds, whether it was
// derived or asked for: Effective and the Option of the Report show what the
// kernel was handed, and that is no complaint.
func (p Plan) Apply(c syscall.RawConn) (Report, error) {
	if p.Platform.GOOS != runtime.GOOS {
		return Report{}, fmt.Errorf("sockopt: a plan for %q cannot be applied on %s", p.Platform.GOOS, runtime.GOOS)
	}
	if p.Path == pathNone {
		return p.apply(descriptor(0)), nil // no operation, so no descriptor
	}
	var r Report
	err := rawconn.Control(c, func(fd uintptr) error {
		r = p.apply(descriptor(fd))
		return nil
	})
	if err != nil {
		return Report{}, fmt.Errorf("sockopt: %w", err)
	}
	return r, nil
}

// Get reads what the kernel holds for an open TCP socket, rounded as it keeps
// it. A value that it does not give, or that no option exists for, is -1: the
// times where SIO_KEEPALIVE_VALS set them, the user timeout and the pace of an
// MPTCP socket. A zero UserTimeout or StallTimeout means that there is none; on
// Linux and FreeBSD, where one option is both, they are equal. Values that no
// call has set are the system's.
//
// The error matches [errors.ErrUnsupported] on systems without socket
// options, and [net.ErrClosed] on a closed connection.
func Get(c syscall.RawConn) (KeepAlive, error) {
	sys := current().system()
	if sys.path == pathNone {
		return KeepAlive{}, fmt.Errorf("sockopt: reading keepalive on %s: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	var k KeepAlive
	err := rawconn.Control(c, func(fd uintptr) (err error) {
		k, err = sys.read(descriptor(fd))
		return err
	})
	if err != nil {
		return KeepAlive{}, fmt.Errorf("sockopt: reading keepalive: %w", err)
	}
	return k, nil
}

// apply is Apply on a descriptor known to be open.
func (p Plan) apply(s socket) Report {
	p = p.heedPath(s)
	errs := p.set(s, nil)
	for older, ok := p.older(s, errs); ok; older, ok = p.older(s, errs) {
		errs = older.set(s, errs)
		p = older
	}
	return p.report(s, errs)
}

// heedPath raises the pace to twice the path's retransmission timeout: a segment
// is not to be sent again before its answer can have come. Whole seconds keep
// the reports of connections that share a path equal.
func (p Plan) heedPath(s socket) Plan {
	i := slices.IndexFunc(p.Ops, func(o Op) bool { return o.Field == FieldPace })
	if i < 0 {
		return p
	}
	least := min(maxPace, ceilDiv(2*s.rto(), time.Second)*time.Second)
	if least > p.Effective.Pace {
		p.Ops = slices.Clone(p.Ops)
		p.Ops[i].Value = int(least / p.Ops[i].Unit)
		p.Effective.Pace = least
	}
	return p
}

// set makes the calls, all of them, and returns the error of each by its
// field. Calls that are in done already are not made again.
func (p Plan) set(s socket, done map[Op]error) map[Op]error {
	errs := make(map[Op]error, len(p.Ops))
	for _, o := range p.Ops {
		err, ok := done[o]
		if !ok {
			err = s.set(o)
		}
		errs[o] = err
	}
	return errs
}

// The builds of Windows that the two older paths are those of.
var (
	windowsMixed = Platform{GOOS: "windows", Major: 10, Build: 15063}
	windowsIoctl = Platform{GOOS: "windows", Major: 10, Build: 10240}
)

// older returns the plan to fall back to, if the kernel lacks an option for
// which there is an older way.
func (p Plan) older(s socket, errs map[Op]error) (Plan, bool) {
	to, ok := Platform{}, false
	for o, err := range errs {
		switch {
		case err == nil || o.Call == callIoctl || !s.lacks(err):
		case o.Field == FieldCount:
			to, ok = windowsIoctl, true
		case o.Field == FieldIdle || o.Field == FieldInterval:
			if !ok {
				to, ok = windowsMixed, true
			}
		}
	}
	if !ok {
		return Plan{}, false
	}
	older, err := to.plan(p.Asked, p.Watched)
	return older, err == nil
}
