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
	FieldKeepAlive    Field = "keepalive" // on or off: 1 unless Disabled
	FieldIdle         Field = "idle"
	FieldInterval     Field = "interval"
	FieldCount        Field = "count"
	FieldUserTimeout  Field = "user_timeout"
	FieldStallTimeout Field = "stall_timeout"
	FieldPace         Field = "pace"
)

var fields = [...]Field{FieldKeepAlive, FieldIdle, FieldInterval, FieldCount, FieldUserTimeout, FieldStallTimeout, FieldPace}

// goNames are the fields' names in KeepAlive.
var goNames = map[Field]string{
	FieldKeepAlive:    "Disabled",
	FieldIdle:         "Idle",
	FieldInterval:     "Interval",
	FieldCount:        "Count",
	FieldUserTimeout:  "UserTimeout",
	FieldStallTimeout: "StallTimeout",
	FieldPace:         "Pace",
}

// isTime reports whether the field is a duration.
func (f Field) isTime() bool { return f != FieldKeepAlive && f != FieldCount }

// isProbing reports whether the field means nothing without keepalive.
func (f Field) isProbing() bool { return f == FieldIdle || f == FieldInterval || f == FieldCount }

// isEarly reports whether the field may be set before the connect, and does not
// shorten it.
func (f Field) isEarly() bool { return f == FieldKeepAlive || f.isProbing() }

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

// time returns the place of a duration, and nil for the other fields.
func (k *KeepAlive) time(f Field) *time.Duration {
	switch f {
	case FieldIdle:
		return &k.Idle
	case FieldInterval:
		return &k.Interval
	case FieldUserTimeout:
		return &k.UserTimeout
	case FieldStallTimeout:
		return &k.StallTimeout
	case FieldPace:
		return &k.Pace
	}
	return nil
}

// value returns one field as nanoseconds or as a plain number.
func (k KeepAlive) value(f Field) int64 {
	if d := k.time(f); d != nil {
		return int64(*d)
	}
	switch {
	case f == FieldCount:
		return int64(k.Count)
	case k.Disabled:
		return 0
	}
	return 1
}

// set is the reverse of value.
func (k *KeepAlive) set(f Field, v int64) {
	d := k.time(f)
	switch {
	case d != nil:
		*d = time.Duration(v)
	case f == FieldCount:
		k.Count = int(v)
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
