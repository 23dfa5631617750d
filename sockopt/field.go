package sockopt

import (
	"strconv"
	"time"
)

// Field names one value of a [KeepAlive], as plans and reports spell it.
type Field string

// The fields, in the order in which a plan sets them: SO_KEEPALIVE comes
// first, because on a live socket Linux then counts the idle time from the
// last activity, and Darwin would not heed an idle time set before it.
const (
	FieldKeepAlive   Field = "keepalive" // on or off: 1 unless Disabled
	FieldIdle        Field = "idle"
	FieldInterval    Field = "interval"
	FieldCount       Field = "count"
	FieldUserTimeout Field = "user_timeout"
)

var fields = [...]Field{FieldKeepAlive, FieldIdle, FieldInterval, FieldCount, FieldUserTimeout}

// goName returns the field's name in KeepAlive.
func (f Field) goName() string {
	switch f {
	case FieldIdle:
		return "Idle"
	case FieldInterval:
		return "Interval"
	case FieldCount:
		return "Count"
	case FieldUserTimeout:
		return "UserTimeout"
	}
	return "Disabled"
}

// isTime reports whether the field is a duration.
func (f Field) isTime() bool { return f != FieldKeepAlive && f != FieldCount }

// format returns v, nanoseconds or a plain number, as people write it.
func (f Field) format(v int64) string {
	switch {
	case v == leaveAlone:
		return "system"
	case f.isTime():
		return seconds(time.Duration(v))
	}
	return strconv.FormatInt(v, 10)
}

// value returns one field as nanoseconds or as a plain number.
func (k KeepAlive) value(f Field) int64 {
	switch f {
	case FieldIdle:
		return int64(k.Idle)
	case FieldInterval:
		return int64(k.Interval)
	case FieldCount:
		return int64(k.Count)
	case FieldUserTimeout:
		return int64(k.UserTimeout)
	}
	if k.Disabled {
		return 0
	}
	return 1
}

// set is the reverse of value.
func (k *KeepAlive) set(f Field, v int64) {
	switch f {
	case FieldIdle:
		k.Idle = time.Duration(v)
	case FieldInterval:
		k.Interval = time.Duration(v)
	case FieldCount:
		k.Count = int(v)
	case FieldUserTimeout:
		k.UserTimeout = time.Duration(v)
	default:
		k.Disabled = v == 0
	}
}

// seconds formats d without hours and minutes, so that it can be compared
// with an option's limit at a glance.
func seconds(d time.Duration) string {
	if d > -time.Second && d < time.Second {
		return d.String()
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// ceilDiv divides positive numbers and rounds up, without overflow.
func ceilDiv[T ~int64](a, b T) T {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}
