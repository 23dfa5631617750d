package sockopt

import "golang.org/x/sys/windows"

// osVersion asks ntdll, which unlike GetVersionEx tells the truth to programs
// without a manifest.
func osVersion() version {
	major, minor, build := windows.RtlGetNtVersionNumbers()
	return version{major, minor, build}
}
