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

	// Watched tells a plan of [Platform.Plan] from one of
	// [Platform.PlanUnwatched].
	Watched bool

	// Asked is the KeepAlive with its defaults filled in, the derived pace
	// among them. Its UserTimeout is still unrounded. Its Within is zero if the
	// numbers are the promise.
	Asked KeepAlive

	// Path is the kind of calls: "options", one socket option per value;
	// "options+ioctl", Windows builds 15063 to 16298, times by
	// SIO_KEEPALIVE_VALS and the count by option; "ioctl", older Windows,
	// SIO_KEEPALIVE_VALS and a fixed count; "on/off", OpenBSD, keepalive on or
	// off with the system's values; "none", plan9, js, wasip1 and systems unknown
	// to this package, where nothing can be set.
	Path string

	// Ops are the calls in their order, one for each field that was asked for
	// and that the platform has.
	Ops []Op

	// Effective is what the kernel will act by: rounded to its units, -1
	// where its own value stands. Count is the number of probes that it would
	// send before a verdict of its own; on Linux that is up to TCP_USER_TIMEOUT,
	// on older Windows it is 10. On Linux and FreeBSD, where one option bounds
	// unacknowledged data and a stall, UserTimeout and StallTimeout are equal.
	// Where nothing can be set at all (Path is "none") it is Disabled, since hale
	// then turns nothing on. Its Within, PathIdleTimeout and TolerateGap are zero.
	Effective KeepAlive

	// Unsupported has one sentence, beginning with the field, for everything
	// that was asked for and is not to be had, or not quite as it reads.
	Unsupported []string

	made int // how many of Ops, the first of them, were made before: see Split
}

// Plan works out what to set on p on a connection that hale watches. It is
// pure: it makes no system call, never panics, and plans for any platform on any
// other.
//
// On Linux the watch counts unanswered probes and retransmissions, and ends the
// connection at k.Within. So no user timeout is set, which would end live peers
// that read slowly; the pace is; and where Within is set, TCP_KEEPCNT is raised
// to at least 8: the kernel's own count then only stands behind the watch, and
// a process that stands still does not lose a connection to a few lost packets.
// Explicit numbers without a Within are set as they are. While a peer leaves a probe
// unanswered the watch has an Idle of a second in the socket, with which the kernel asks
// at once, and a Count of 64 or more (without a Within of one more), and puts both back
// when the peer is heard; and a Pace that the path, or a shut window, needs.
//
// It returns a [*RangeError] for a value that p does not accept, and no error
// for what p has no option for: that is in [Plan.Unsupported].
//
// On Windows before build 16299, where one ioctl sets both times, a time left
// alone (-1) next to one that is set becomes Windows' default, 7200 s idle or
// 1 s interval.
func (p Platform) Plan(k KeepAlive) (Plan, error) { return p.plan(k, true) }

// PlanUnwatched is Plan for a socket that is left to the kernel alone.
//
// It sets a user timeout wherever there is an option for it. Where that is also
// the one for a stall (Linux, FreeBSD 14), a StallTimeout of -1 leaves it out,
// since a live peer is not to be ended; one above zero takes its place if it is
// longer, since to notice a peer that is gone late is the lesser harm. The pace
// is never set, because the socket may not be connected yet: it would shorten
// the connect.
func (p Platform) PlanUnwatched(k KeepAlive) (Plan, error) { return p.plan(k, false) }

func (p Platform) plan(k KeepAlive, watched bool) (Plan, error) {
	k = k.freed()
	if err := k.check(); err != nil {
		return Plan{}, err
	}
	sys := p.system()
	b := builder{sys: sys, given: k, Plan: Plan{Platform: p, Watched: watched, Path: sys.path}}
	b.resolveDefaults()
	b.keepProduct()
	b.completePair()
	for _, r := range sys.rows {
		if err := b.add(b.assign(r)); err != nil {
			return Plan{}, err
		}
	}
	b.mirror()
	b.forgetMissing()
	b.Effective = sys.verdict(b.Effective)
	if err := b.checkPath(); err != nil {
		return Plan{}, err
	}
	if err := b.checkWithin(); err != nil {
		return Plan{}, err
	}
	if err := b.checkGap(); err != nil {
		return Plan{}, err
	}
	b.remark()
	return b.Plan, nil
}

// Window returns within what time of the peer's vanishing an idle connection is
// given up: [KeepAlive.Window] for the effective values, so with TCP_USER_TIMEOUT
// heeded on Linux and the count of 10 on older Windows. Where the system's value
// stands its documented default is used, which an administrator may have changed.
//
// A connection with a Within that is watched on Linux is given up by the watch,
// unless the kernel is earlier: at the latest 250 ms before Within, and at the
// earliest Idle less than that.
//
// Both results are [Never] if keepalive is off, and zero if they cannot be
// told, because a value stands that is not documented.
func (p Plan) Window() (earliest, latest time.Duration) {
	return p.promise().window(p.Effective)
}

// promise is the plan's part in that of a watched connection.
func (p Plan) promise() promise { return promise{p.Platform.system(), p.Watched, p.Asked.Within} }

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
	b.Asked.Pace = b.pace()
	b.Effective = b.Asked
	b.Effective.Within, b.Effective.PathIdleTimeout, b.Effective.TolerateGap = 0, 0, 0
	b.Effective.Pace = roundPace(b.Asked.Pace)
	b.raiseCount()
	if b.sys.shares() {
		b.share()
	}
}

// pace is the one asked for, or the one derived from the promise.
func (b *builder) pace() time.Duration {
	switch {
	case !b.Watched:
		return leaveAlone
	case b.given.Pace < 0:
		return leaveAlone
	case b.given.Pace > 0:
		return b.given.Pace
	case !b.sys.has(FieldPace):
		return leaveAlone
	}
	return paceFor(b.budget(), b.Platform.retries2())
}

// budget is how long sent data may stay unacknowledged, zero for ever. The
// kernel's window does not heed a user timeout here, which is there for a stall.
func (b *builder) budget() time.Duration {
	k := b.Asked
	if k.Within > 0 || k.UserTimeout < 0 {
		return k.Within
	}
	k.UserTimeout = leaveAlone
	_, latest := b.sys.window(k)
	if latest == Never {
		latest = 0
	}
	return max(b.Asked.UserTimeout, latest)
}

// raiseCount is for a promise that the watch keeps.
func (b *builder) raiseCount() {
	if e := &b.Effective; b.promise().watches() && e.Count > 0 {
		e.Count = max(e.Count, watchedCount)
		if gap := b.given.TolerateGap; gap > 0 && e.Interval > 0 {
			e.Count = max(e.Count, int(min(enough(gap, e.Interval)+watchAskings, maxProbes)))
		}
	}
}

// share gives the option that bounds a stall and unacknowledged data to one of
// the two; its row is that of the stall, unless assign changes it.
func (b *builder) share() {
	e := &b.Effective
	switch {
	case b.Watched || b.given.StallTimeout == leaveAlone:
		e.UserTimeout = leaveAlone
	default:
		e.UserTimeout, e.StallTimeout = max(e.UserTimeout, e.StallTimeout), leaveAlone
	}
}

// assign is the row as this plan uses it.
func (b *builder) assign(r row) row {
	if b.sys.shares() && !b.Watched && r.field == FieldStallTimeout {
		r.field = FieldUserTimeout
	}
	return r
}

// mirror has Effective say that the shared option bounds both.
func (b *builder) mirror() {
	e := &b.Effective
	if b.sys.shares() {
		longer := max(e.UserTimeout, e.StallTimeout)
		e.UserTimeout, e.StallTimeout = longer, longer
	}
}

// spares reports whether f has no call because its option serves another field.
func (p Plan) spares(f Field) bool {
	served := FieldStallTimeout
	if p.Watched {
		served = FieldUserTimeout
	}
	return f == served && p.Platform.system().shares()
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
		b.Effective.UserTimeout = max(b.Effective.UserTimeout, b.Effective.total())
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
	e := &RangeError{Field: goNames[r.field], Value: r.field.format(v)}
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
	switch {
	case r.field != FieldUserTimeout:
	case v == int64(b.given.StallTimeout):
		e.Field = goNames[FieldStallTimeout]
	case b.given.UserTimeout == 0:
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
	o.Optional = r.field == FieldPace && b.given.Pace == 0
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

// remark fills Unsupported, in the order of the fields, and of the promises after them.
func (b *builder) remark() {
	for _, f := range fields {
		text := strings.Join(b.remarksOn(f), "; ")
		if text != "" {
			b.Unsupported = append(b.Unsupported, string(f)+": "+text)
		}
	}
	for _, of := range [...]struct{ name, text string }{{"path_idle_timeout", b.remarkOnPath()}, {"tolerate_gap", b.remarkOnGap()}} {
		if of.text != "" {
			b.Unsupported = append(b.Unsupported, of.name+": "+of.text)
		}
	}
}

func (b *builder) remarksOn(f Field) (out []string) {
	asked := b.Asked.value(f)
	switch {
	case f == FieldPace && asked < 0:
		return b.remarkOnPace()
	case asked < 0:
		return b.remarkOnPair(f)
	}
	if f == FieldKeepAlive && asked == 0 {
		return nil
	}
	if given := b.given.withDefaults().value(f); b.given.value(f) == 0 && given > 0 && given != asked {
		out = append(out, fmt.Sprintf("the default of %s is below the smallest that %s accepts, %s, which takes its place",
			f.format(given), b.Platform.GOOS, f.format(asked)))
	}
	if b.spares(f) {
		return append(out, b.remarkOnShared()...)
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

// remarkOnShared is for the field whose option serves the other one.
func (b *builder) remarkOnShared() []string {
	if b.Watched {
		return []string{b.sys.sharedRemark}
	}
	return []string{fmt.Sprintf("the user timeout is the same option, and is the longer of the two, %s", seconds(b.Effective.UserTimeout))}
}

// remarkOnPace says why the system's pace stays, if nobody asked for that.
func (b *builder) remarkOnPace() []string {
	why, missing := b.sys.remarks[FieldPace]
	switch {
	case !b.Watched && b.given.Pace > 0:
		return []string{"not set without a watch, because it would shorten the connect"}
	case !b.Watched || b.given.Pace < 0 || b.budget() <= 0:
		return nil
	case missing:
		return []string{why}
	case b.sys.has(FieldPace):
		return []string{fmt.Sprintf("with net.ipv4.tcp_retries2 at %d the kernel gives up before %s at any pace, so that its own stays",
			b.Platform.retries2(), seconds(b.budget()))}
	}
	return nil
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

// shares reports whether one option bounds unacknowledged data and a stall.
func (s *system) shares() bool { return s.sharedRemark != "" }

// has reports whether there is a call for f.
func (s *system) has(f Field) bool {
	if f == FieldUserTimeout && s.shares() {
		f = FieldStallTimeout
	}
	return slices.ContainsFunc(s.rows, func(r row) bool { return r.field == f })
}

// pairs reports whether one ioctl takes both times.
func (s *system) pairs() bool { return s.path == pathIoctl || s.path == pathMixed }

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
