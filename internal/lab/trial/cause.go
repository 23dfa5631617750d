package trial

import (
	"errors"
	"slices"
	"strings"

	"example.com/hale/health"
)

// Cause is the cause of death that err names to its user: what
// [health.Classify] finds, or, as some libraries keep only the text of the
// error underneath, the cause whose name is in the text.
func Cause(err error) health.Cause {
	if err == nil {
		return health.Unknown
	}
	if c := health.Classify(err); c != health.Unknown {
		return c
	}
	for c := range health.Causes() {
		if c != health.Unknown && strings.Contains(err.Error(), c.String()) {
			return c
		}
	}
	return health.Unknown
}

// Causes are the causes of death that the errors name, most frequent first,
// each once. Errors that name none are not in it.
func (r Result) Causes() []health.Cause {
	count := map[health.Cause]int{}
	for _, err := range r.Errors {
		if c := Cause(err); c != health.Unknown {
			count[c]++
		}
	}
	causes := make([]health.Cause, 0, len(count))
	for c := range count {
		causes = append(causes, c)
	}
	slices.SortFunc(causes, func(a, b health.Cause) int {
		if n := count[b] - count[a]; n != 0 {
			return n
		}
		return int(a) - int(b)
	})
	return causes
}

// Unexplained joins the errors that name no cause of death, and is nil if all
// do.
func (r Result) Unexplained() error {
	var errs []error
	for _, err := range r.Errors {
		if Cause(err) == health.Unknown {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
