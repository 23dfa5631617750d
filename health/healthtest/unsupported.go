//go:build !linux

package healthtest

import (
	"errors"
	"fmt"
	"net"
	"runtime"
)

func unsupported() error {
	return fmt.Errorf("not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func attachDropAll(uintptr) error { return unsupported() }

func detach(uintptr) error { return unsupported() }

func isolate() error { return unsupported() }

func listenOutside(network, address string) (net.Listener, error) {
	return net.Listen(network, address)
}
