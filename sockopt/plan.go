package sockopt

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan is what has to be done on one platform for one KeepAlive. It is plain
// data; reading it, printing it and comparing parts of it is all fine.
type Plan struct {
	// Platform is the one planned for.
	Platform Platform

	// Asked is the KeepAlive with its defaults filled in. Its UserTimeout is
	// still unrounded.
	Asked KeepAlive

	// Path is the kind of calls.
	Path Path

	// Ops are the calls in their order, one for each field that was asked for
	// and that the platform has.
	Ops []Op

	// Effective is what the kernel will act by: rounded to its units, -1
	// where its own value stands, as that of the user timeout does where
	// TolerateStall wants it to. Count is the number of probes that it will
	// really send before the verdict; on Linux that is up to the user
	// timeout, on older Windows it is 10. Where nothing can be set at all
	// ([PathNone]) it is Disabled, since hale then turns nothing on.
	Effective KeepAlive

	// Unsupported has one sentence, beginning with the field, for everything
	// that was asked for and is not to be had, or not quite as it reads.
	Unsupported []string
}

// Plan works out what to set on p. It is pure: it makes no system call, never
// panics, and plans for any platform on any other.
//
// It returns a [*RangeError] for a value that p does not accept, and no error
// for what p has no option for: that is in [Plan.Unsupported].
//
// On Windows before build 16299, where one ioctl sets both times, a time left
// alone (-1) next to one that is set becomes Windows' default, 7200 s idle or
// 1 s interval.
func (p Platform) Plan(k KeepAlive) (Plan, error) {
	if err := k.check(); err != nil {
		return Plan{}, err
	}
	sys := p.system()
	b := builder{sys: sys, given: k, Plan: Plan{Platform: p, Path: sys.path}}
	b.resolveDefaults()
	b.keepProduct()
	b.completePair()
	for _, r := range sys.rows {
		if err := b.add(r); err != nil {
			return Plan{}, err
		}
	}
	b.forgetMissing()
	b.Effective = sys.verdict(b.Effective)
	b.remark()
	return b.Plan, nil
}

// Window returns within what time of the peer's vanishing the kernel of this
// platform gives an idle connection up: [KeepAlive.Window] for the effective
// values, so with the user timeout heeded on Linux and the count of 10 on
// older Windows. Where the system's value stands its documented default is
// used, which an administrator may have changed.
//
// Both results are [Never] if keepalive is off, and zero if they cannot be
// told, because a value stands that is not documented.
func (p Plan) Window() (earliest, latest time.Duration) {
	return p.Platform.system().window(p.Effective)
}

// builder is a Plan being made.
type builder struct {
	Plan
	sys   *system
	given KeepAlive // as the caller wrote it
}

// resolveDefaults fills Asked. A default below what the platform accepts is
// raised: nobody asked for that number, and a zero KeepAlive has to work
// everywhere.
func (b *builder) resolveDefaults() {
	b.Asked = b.given.withDefaults()
	for _, r := range b.sys.rows {
		if v := b.Asked.value(r.field); b.given.value(r.field) == 0 && v > 0 {
			b.Asked.set(r.field, max(v, r.nominal(r.min)))
		}
	}
	if b.given.UserTimeout == 0 {
		b.Asked.UserTimeout = b.Asked.total()
	}
	b.Effective = b.Asked
	if b.spares(FieldUserTimeout) {
		b.Effective.UserTimeout = leaveAlone
	}
}

// spares reports whether f's option is left alone for TolerateStall's sake.
func (p Plan) spares(f Field) bool {
	return f == FieldUserTimeout && p.Asked.TolerateStall && p.Platform.system().stallRemark != ""
}

// keepProduct keeps Interval*Count where the count is fixed.
func (b *builder) keepProduct() {
	n, e := b.sys.fixedCount, &b.Effective
	if n == 0 || e.Interval < 0 || e.Count < 0 {
		return
	}
	e.Interval = ceilDiv(e.probing(), time.Duration(n))
	e.Count = n
}

// completePair gives the ioctl, which takes two times, the one left alone.
func (b *builder) completePair() {
	e := &b.Effective
	if !b.sys.pairs() || (e.Idle < 0) == (e.Interval < 0) {
		return
	}
	if e.Idle < 0 {
		e.Idle = b.sys.defaults.Idle
	} else {
		e.Interval = b.sys.defaults.Interval
	}
}

// add plans for one row, if its field is asked for.
func (b *builder) add(r row) error {
	if r.field == FieldUserTimeout && b.given.UserTimeout == 0 && b.Effective.UserTimeout >= 0 {
		// Of the rounded values: on Linux a user timeout derived from
		// anything less would cut the last probe.
		b.Effective.UserTimeout = b.Effective.total()
	}
	v := b.Effective.value(r.field)
	if v < 0 {
		return nil
	}
	if err := b.checkRange(r, v); err != nil {
		return err
	}
	raw := r.raw(v)
	b.Effective.set(r.field, r.nominal(raw))
	b.push(r, raw)
	return nil
}

// checkRange reports a value outside of what the row's option accepts.
func (b *builder) checkRange(r row, v int64) error {
	e := &RangeError{Field: r.field.goName(), Value: r.field.format(v)}
	switch raw := r.raw(v); {
	case raw < r.min:
		e.Limit = fmt.Sprintf("below %s, the smallest that %s accepts", r.field.format(r.nominal(r.min)), b.Platform.GOOS)
	case raw > r.max:
		e.Limit = fmt.Sprintf("above %s, the largest that %s accepts", r.field.format(r.nominal(r.max)), b.Platform.GOOS)
	default:
		return nil
	}
	if r.field == FieldInterval && b.scaled() {
		e.Field = fmt.Sprintf("Interval*Count/%d", b.sys.fixedCount)
	}
	if r.field == FieldUserTimeout && b.given.UserTimeout == 0 {
		e.Value += " (Idle+Interval*Count)"
	}
	return e
}

// scaled reports whether keepProduct has changed the interval.
func (b *builder) scaled() bool {
	n := b.sys.fixedCount
	return n > 0 && b.Asked.Interval >= 0 && b.Asked.Count >= 0 && b.Asked.Count != n
}

// push appends the row's call, or completes the ioctl that is already there.
func (b *builder) push(r row, raw int64) {
	o := r.op()
	switch {
	case r.call != callIoctl:
		o.Value = int(raw)
	case r.field == FieldInterval:
		b.Ops[len(b.Ops)-1].Words[2] = uint32(raw)
		return
	default:
		o.Words = [3]uint32{1, uint32(raw)}
	}
	b.Ops = append(b.Ops, o)
}

// forgetMissing marks the fields that the platform has no option for.
func (b *builder) forgetMissing() {
	e := &b.Effective
	for _, f := range fields[1:] {
		fixed := f == FieldCount && e.Count > 0 && e.Count == b.sys.fixedCount
		if !fixed && !b.sys.has(f) {
			e.set(f, leaveAlone)
		}
	}
	if !b.sys.has(FieldKeepAlive) {
		e.Disabled = true
	}
}

// remark fills Unsupported, in the order of the fields.
func (b *builder) remark() {
	for _, f := range fields {
		text := strings.Join(b.remarksOn(f), "; ")
		if text != "" {
			b.Unsupported = append(b.Unsupported, string(f)+": "+text)
		}
	}
}

func (b *builder) remarksOn(f Field) (out []string) {
	asked := b.Asked.value(f)
	if asked < 0 {
		return b.remarkOnPair(f)
	}
	if f == FieldKeepAlive && asked == 0 {
		return nil
	}
	if given := b.given.withDefaults().value(f); b.given.value(f) == 0 && given != asked && f != FieldUserTimeout {
		out = append(out, fmt.Sprintf("the default of %s is below the smallest that %s accepts, %s, which takes its place",
			f.format(given), b.Platform.GOOS, f.format(asked)))
	}
	if b.spares(f) {
		return append(out, b.sys.stallRemark)
	}
	if text, ok := b.sys.remarks[f]; ok {
		return append(out, text)
	}
	if f == FieldCount && b.sys.fixedCount > 0 {
		return append(out, b.remarkOnCount()...)
	}
	if !b.sys.has(f) {
		out = append(out, fmt.Sprintf("%s has no such socket option, the system's own value stands", b.Platform))
	}
	return out
}

// remarkOnPair is for a time left alone that the ioctl sets nevertheless.
func (b *builder) remarkOnPair(f Field) []string {
	if v := b.Effective.value(f); b.sys.pairs() && (f == FieldIdle || f == FieldInterval) && v >= 0 {
		return []string{fmt.Sprintf("SIO_KEEPALIVE_VALS sets both times at once, so the default of %s takes the place of the value left alone", f.format(v))}
	}
	return nil
}

func (b *builder) remarkOnCount() []string {
	n := b.sys.fixedCount
	switch {
	case b.Asked.Count == n:
		return nil
	case b.Asked.Interval < 0:
		return []string{fmt.Sprintf("%s has no option for it, its count is fixed at %d", b.Platform, n)}
	}
	return []string{fmt.Sprintf("%s has no option for it, its count is fixed at %d: Interval %s * Count %d is kept as %s * %d",
		b.Platform, n, seconds(b.Asked.Interval), b.Asked.Count, seconds(b.Effective.Interval), n)}
}

// op returns the row's call without a value.
func (r row) op() Op {
	return Op{Field: r.field, Call: r.call, Level: r.level, LevelNumber: r.levelNumber,
		Name: r.name, Number: r.number, Unit: r.unit}
}

// raw converts nanoseconds or a plain number to what the option takes.
func (r row) raw(v int64) int64 { return ceilDiv(v, int64(max(r.unit, 1))) }

// nominal is the reverse of raw.
func (r row) nominal(raw int64) int64 { return raw * int64(max(r.unit, 1)) }

// has reports whether there is a call for f.
func (s *system) has(f Field) bool {
	return slices.ContainsFunc(s.rows, func(r row) bool { return r.field == f })
}

// pairs reports whether one ioctl takes both times.
func (s *system) pairs() bool { return s.path == PathIoctl || s.path == PathMixed }

// fill puts the documented defaults in the place of -1.
func (s *system) fill(k KeepAlive) KeepAlive {
	for _, f := range [...]Field{FieldIdle, FieldInterval, FieldCount} {
		if d := s.defaults.value(f); k.value(f) < 0 && d > 0 {
			k.set(f, d)
		}
	}
	return k
}

// verdict replaces the count by the number of probes after which the kernel
// will really give up. On Linux the user timeout, if there is one, is
// compared at each tick Idle+n*Interval, n >= 1, and the count no longer.
func (s *system) verdict(k KeepAlive) KeepAlive {
	if !s.userTimeoutDecides || k.Disabled || k.UserTimeout <= 0 {
		return k
	}
	acting := s.fill(k)
	k.Count = int(ceilDiv(max(k.UserTimeout-acting.Idle, 1), max(acting.Interval, 1)))
	return k
}

func (s *system) window(k KeepAlive) (earliest, latest time.Duration) {
	if k.Disabled {
		return Never, Never
	}
	return s.verdict(s.fill(k)).window()
}
