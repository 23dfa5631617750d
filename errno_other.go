//go:build !unix

package hale

import "errors"

// errBroken is what a Write gives after a death that was reported before, on
// Unix; no other system is asked, since none can tell what happened.
var errBroken = errors.New("unused")
