package hale

import "golang.org/x/sys/windows"

// errBroken is what a Write gives after our own CloseWrite.
const errBroken = windows.WSAESHUTDOWN
