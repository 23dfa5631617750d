package sockopt

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Report is what became of a plan on a real socket. It is comparable: sockets
// with which the same happened have equal reports.
type Report struct {
	// Platform and Path are those of the plan, unless Apply had to fall back
	// to an older way. Watched is the plan's.
	Platform Platform
	Path     string
	Watched  bool

	// Asked is [Plan.Asked]: what was asked for, with defaults filled in. Its
	// UserTimeout is there even where no option is set for it.
	Asked KeepAlive

	// Effective is [Plan.Effective] of the plan that was carried out.
	Effective KeepAlive

	// Got is what the kernel held afterwards; see [Get].
	Got KeepAlive

	// Options has one entry for each field, in the order of the fields.
	Options [len(fields)]OptionReport
}

// OptionReport is what became of one field.
type OptionReport struct {
	Field Field

	// Name is the option's symbol, empty if the system has none.
	Name string

	// Unit is that of Asked and Got: a second, a millisecond, a nanosecond
	// where there is no option; zero for a plain number.
	Unit time.Duration

	// Asked is what the kernel was handed, -1 if it was to be left alone. Got
	// is what it held afterwards, -1 if that could not be read.
	Asked, Got int64

	// Optional is [Op.Optional]: the plan chose the value, and an Err is no
	// failure of [Report.Err].
	Optional bool

	// Err is nil if the kernel holds what was asked for, or was asked for
	// nothing. It is the error of the call that was refused, it matches
	// [errors.ErrUnsupported] where the system has no option, and it names
	// both values if the kernel took one and holds another.
	Err error
}

// Status returns "set", "left alone", "refused" (also for a value that the
// kernel took and does not hold) or "unsupported" (also for an optional value
// that the kernel did not take).
func (o OptionReport) Status() string {
	switch {
	case o.Err != nil && (o.Name == "" || o.Optional):
		return "unsupported"
	case o.Err != nil:
		return "refused"
	case o.Asked < 0:
		return "left alone"
	}
	return "set"
}

// String returns the entry on one line, such as
// "TCP_KEEPIDLE (idle): asked 13 s, got 13 s: set".
func (o OptionReport) String() string {
	s := fmt.Sprintf("%s: asked %s, got %s: %s", o.label(), o.amount(o.Asked), o.amount(o.Got), o.Status())
	if o.Err != nil {
		s += ": " + o.Err.Error()
	}
	return s
}

func (o OptionReport) label() string {
	if o.Name == "" {
		return string(o.Field)
	}
	return o.Name + " (" + string(o.Field) + ")"
}

func (o OptionReport) amount(v int64) string {
	if v < 0 {
		return "-"
	}
	return amount(v, o.Unit)
}

// wrap returns Err with the option, its field and the value asked for.
func (o OptionReport) wrap() error {
	value := strings.ReplaceAll(o.amount(o.Asked), " ", "")
	if o.Name == "" {
		return fmt.Errorf("sockopt: %s %s: %w", o.Field, value, o.Err)
	}
	return fmt.Errorf("sockopt: %s (%s %s): %w", o.Name, o.Field, value, o.Err)
}

// Err returns nil if the kernel holds everything that was asked for, or else
// one error for each option that it does not hold, joined. They unwrap to the
// system's error numbers; those for options that the system does not have
// match [errors.ErrUnsupported].
//
// A field that was left to its default counts as asked for: on systems
// without a bound for unacknowledged data, only a UserTimeout of -1 makes Err
// return nil.
func (r Report) Err() error {
	return r.join(func(o OptionReport) bool { return o.Err != nil && !o.Optional })
}

// refused is Err without what was known to be unsupported.
func (r Report) refused() error {
	return r.join(func(o OptionReport) bool { return o.Status() == "refused" })
}

func (r Report) join(counts func(OptionReport) bool) error {
	var errs []error
	for _, o := range r.Options {
		if counts(o) {
			errs = append(errs, o.wrap())
		}
	}
	return errors.Join(errs...)
}

// Window is [Plan.Window] for what the kernel really holds, and for the
// effective values where it does not tell.
func (r Report) Window() (earliest, latest time.Duration) {
	return promise{r.Platform.system(), r.Watched, r.Asked.Within}.window(r.held())
}

// report reads the socket and compares.
func (p Plan) report(s socket, done calls) Report {
	sys := p.Platform.system()
	got, err := sys.read(s)
	if err != nil {
		got.Disabled = p.Effective.Disabled // it cannot be told: no ground for a complaint
	}
	r := Report{Platform: p.Platform, Path: p.Path, Watched: p.Watched, Asked: p.Asked, Effective: p.Effective, Got: got}
	for i, f := range fields {
		r.Options[i] = p.option(f, got, &done)
	}
	return r
}

// option is the entry for one field.
func (p Plan) option(f Field, got KeepAlive, done *calls) OptionReport {
	for _, o := range p.Ops {
		if o.serves(f) && (o.Call != callIoctl || p.Asked.value(f) >= 0) {
			err, _ := done.of(o)
			return o.report(f, got.value(f), err)
		}
	}
	r := OptionReport{Field: f, Asked: p.Asked.value(f), Got: got.value(f)}
	if p.spares(f) {
		r.Asked = leaveAlone
	}
	if f.isTime() {
		r.Unit = time.Nanosecond
	}
	if r.Asked >= 0 && r.Asked != p.Effective.value(f) {
		r.Err = fmt.Errorf("%s has no option for it: %w", p.Platform, errors.ErrUnsupported)
	}
	return r
}

// report is the entry for one field that a call was made for.
func (o Op) report(f Field, got int64, err error) OptionReport {
	r := OptionReport{Field: f, Name: o.Name, Unit: o.Unit, Asked: o.argument(f), Got: got, Optional: o.Optional, Err: err}
	if got >= 0 {
		r.Got = got / int64(max(o.Unit, 1))
	}
	if err == nil && r.Got >= 0 && r.Got != r.Asked {
		r.Err = fmt.Errorf("the kernel holds %s", o.amount(r.Got))
	}
	return r
}

// unread is a socket of which nothing is known.
var unread = KeepAlive{
	Disabled: true, Idle: leaveAlone, Interval: leaveAlone, Count: leaveAlone,
	UserTimeout: leaveAlone, StallTimeout: leaveAlone, Pace: leaveAlone,
}

// read asks the kernel for every field that has an option, and returns an
// error only if it does not even tell whether keepalive is on.
func (s *system) read(from socket) (KeepAlive, error) {
	k := unread
	if s.fixedCount > 0 {
		k.Count = s.fixedCount
	}
	var failed error
	for _, r := range s.rows {
		if r.call == callIoctl {
			continue // write only
		}
		v, err := from.get(r.op())
		switch {
		case err == nil:
			k.set(r.field, r.nominal(int64(v)))
			if r.field == FieldStallTimeout && s.shares() {
				k.UserTimeout = k.StallTimeout
			}
		case r.field == FieldKeepAlive:
			failed = err
		}
	}
	return k, failed
}
