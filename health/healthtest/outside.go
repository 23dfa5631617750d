package healthtest

import (
	"fmt"
	"net"
)

// ListenOutside is [net.Listen] in the network outside, for a program that [Isolate]
// puts into one of its own: such as one that serves a page which a browser is to see.
// Call it before Isolate, with the same network and address in both processes. The first
// listens; the second is given the same listener, and is the one that serves.
//
//	l, err := healthtest.ListenOutside("tcp", "localhost:6060")
//	...
//	err = healthtest.Isolate()
//	...
//	http.Serve(l, nil)
//
// Where Isolate need not or cannot isolate, and after it, ListenOutside is net.Listen. The
// networks are those of TCP. Do not call it concurrently with itself or with Isolate.
func ListenOutside(network, address string) (net.Listener, error) {
	l, err := listenOutside(network, address)
	if err != nil {
		return nil, fmt.Errorf("healthtest: listen outside: %w", err)
	}
	return l, nil
}
