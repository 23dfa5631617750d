package trial

import (
	"errors"
	"fmt"
	"time"
)

// Kept returns nil if the client did as it should: no request hung at the end
// or took longer than longest, requests were answered again, and errors name a
// cause of death. The error says what was otherwise.
func (r Result) Kept(longest time.Duration) error {
	var errs []error
	if r.Hung > 0 {
		errs = append(errs, fmt.Errorf("%d requests hung at the end", r.Hung))
	}
	if r.Stall > longest {
		errs = append(errs, fmt.Errorf("a request took %v, longer than %v", r.Stall, longest))
	}
	if r.Recovered == 0 {
		errs = append(errs, errors.New("no request was answered again"))
	}
	errs = append(errs, r.Unexplained())
	return errors.Join(errs...)
}
