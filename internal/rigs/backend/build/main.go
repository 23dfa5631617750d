// Build builds the Jaeger that tests of this module run, unless that was done
// before, and prints where it is:
//
//	go run ./backend/build
//
// It takes minutes, and no time at all once the program is there. Exit status
// 0 says that it is, 1 that it could not be built.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/hale/internal/rigs/backend"
)

// longest is how long it may take on a slow machine with empty caches.
const longest = 30 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, longest)
	path, err := backend.BuildJaeger(ctx, os.Stderr)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}
