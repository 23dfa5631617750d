//go:build !linux

package health

import "errors"

// No other system's structure is in golang.org/x/sys with a count of
// unanswered probes; Darwin's and Windows' have none.
func inspect(uintptr) (Info, error) { return Info{}, errors.ErrUnsupported }
