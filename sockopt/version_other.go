//go:build !(aix || darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows)

package sockopt

// osVersion is zero where no plan depends on a version.
func osVersion() version { return version{} }
