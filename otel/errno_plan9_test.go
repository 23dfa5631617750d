package otelhale

import "syscall"

var errConnRefused error = syscall.NewError("connection refused")

func errnoCases() []errorCase { return nil }
