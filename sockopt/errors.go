package sockopt

// RangeError says that a [KeepAlive] asks for something that cannot be had,
// before any system call is made. Find it with [errors.As].
type RangeError struct {
	Field string // the field of KeepAlive, such as "Idle"; "Within"; "Interval*Count/10" where the count is fixed
	Value string // what was asked for, such as "40000s"
	Limit string // what is wrong with it, such as "above 32767s, the largest that linux accepts"
}

// Error names field, value and limit.
func (e *RangeError) Error() string {
	if e.Field == "Within" {
		return "sockopt: Within(" + e.Value + "): " + e.Limit
	}
	return "sockopt: " + e.Field + " " + e.Value + ": " + e.Limit
}
