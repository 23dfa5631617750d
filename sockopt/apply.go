package sockopt

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
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
	a := applications.Get().(*application)
	defer applications.Put(a)
	a.plan, a.report = p, Report{}
	if err := c.Control(a.do); err != nil {
		return Report{}, fmt.Errorf("sockopt: %w", err)
	}
	return a.report, nil
}

// application is a plan and what has become of it, a kilobyte that the next can use.
type application struct {
	plan   Plan
	report Report
	do     func(fd uintptr)
}

var applications = sync.Pool{New: func() any {
	a := new(application)
	a.do = func(fd uintptr) { a.report = a.plan.apply(descriptor(fd)) }
	return a
}}

// Get reads what the kernel holds for an open TCP socket, rounded as it keeps
// it. A value that it does not give, or that no option exists for, is -1: the
// times where SIO_KEEPALIVE_VALS set them, the user timeout and the pace of an
// MPTCP socket. A zero UserTimeout or StallTimeout means that there is none; on
// Linux and FreeBSD, where one option is both, they are equal. Values that no
// call has set are the system's; and those of a hale.Conn whose peer leaves a probe
// unanswered are the watch's for a while ([Platform.Plan]).
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

// Split divides the calls of p in two, for a socket that is to be connected, or to
// listen. early has those that may be made before, by [Plan.Set]: of the timeouts and
// the pace, which would shorten the connect, there is none. late.Apply is for the
// connection, once it stands: it makes the others, reads everything back, and makes
// those of early again if the kernel does not hold them by then, as where a listener
// hands nothing down.
func (p Plan) Split() (early, late Plan) {
	n := slices.IndexFunc(p.Ops, func(o Op) bool { return !o.Field.isEarly() })
	if n < 0 {
		n = len(p.Ops)
	}
	early, late = p, p
	early.Ops, late.made = p.Ops[:n:n], n
	return early, late
}

// Set makes the calls of the plan and reads nothing back: what the kernel holds then
// is for [Plan.Apply] to find out. The errors of refused calls are joined. It does not
// fall back to an older way, as Apply does.
func (p Plan) Set(c syscall.RawConn) error {
	ops := p.Ops
	if len(ops) == 0 {
		return nil
	}
	return rawconn.Control(c, func(fd uintptr) error {
		done := set(descriptor(fd), ops, calls{})
		return errors.Join(done.errs[:]...)
	})
}

// apply is Apply on a descriptor known to be open.
func (p Plan) apply(s socket) Report {
	p = p.heedPath(s)
	if r, ok := p.finish(s); ok {
		return r
	}
	done := set(s, p.Ops, calls{})
	for older, ok := p.older(s, done); ok; older, ok = p.older(s, done) {
		done = set(s, older.Ops, done)
		p = older
	}
	return p.report(s, done)
}

// finish is apply for a plan of which some calls were made already; it is not ok if
// the kernel holds something else.
func (p Plan) finish(s socket) (r Report, ok bool) {
	if p.made == 0 {
		return r, false
	}
	r = p.report(s, set(s, p.Ops[p.made:], calls{}))
	for _, o := range r.Options {
		if o.Name != "" && o.Asked >= 0 && (o.Got < 0 || o.Err != nil) && !o.Optional {
			return r, false
		}
	}
	return r, true
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

// calls are those that were made, and the error of each in its place.
type calls struct {
	ops  []Op
	errs [len(fields)]error
}

// of returns the error of a call, and whether it was made.
func (c *calls) of(o Op) (err error, made bool) {
	i := slices.Index(c.ops, o)
	if i < 0 {
		return nil, false
	}
	return c.errs[i], true
}

// set makes calls, all of them. Those that are in done already are not made again.
func set(s socket, ops []Op, done calls) calls {
	now := calls{ops: ops}
	for i, o := range ops {
		err, made := done.of(o)
		if !made {
			err = s.set(o)
		}
		now.errs[i] = err
	}
	return now
}

// The builds of Windows that the two older paths are those of.
var (
	windowsMixed = Platform{GOOS: "windows", Major: 10, Build: 15063}
	windowsIoctl = Platform{GOOS: "windows", Major: 10, Build: 10240}
)

// older returns the plan to fall back to, if the kernel lacks an option for
// which there is an older way.
func (p Plan) older(s socket, done calls) (Plan, bool) {
	to, ok := Platform{}, false
	for i, o := range done.ops {
		err := done.errs[i]
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
