// Soak keeps many workers busy through a pool of hale's connections while
// faults come at random, for as long as it is told, and checks every reply.
//
//	cd internal/rigs
//	go run ./soak                                 # one minute
//	go run ./soak -for 1h -seed 7 -workers 32
//	go run ./soak -for 10m -seed 8 -json
//
// Two servers, processes of their own, stand behind one name. Every request
// has a number, and both sides keep account of it, so that at the end each
// request is known to have been answered or to have failed, and to have been
// run as often as its client was told it may have been. The servers' account
// goes through a pipe before each reply, so that it outlives a server that is
// killed.
//
// The faults, and when they come, are a function of the seed:
//
//   - freeze: the server vanishes, as a machine that is paused, and comes back
//   - kill: the server is killed, and started again at the same port
//   - stop: the server is stopped behind a kernel that goes on answering
//   - reset: some of its connections are reset
//   - half-close: it closes its side of some connections, and reads on
//   - slow-reader: it stops reading from some connections, and goes on later
//   - move: the name leads to the other server, and the pool may be told
//
// They overlap. After each round of all seven there is a quiet moment: no
// fault, no request under way, and every connection of the pool acquired at
// once. Goroutines, descriptors and heap are counted there.
//
// It needs Linux, and root or the right to make a user namespace.
package main

import (
	"os"

	"example.com/hale/internal/lab/program"
)

func main() {
	if address := os.Getenv(serveEnv); address != "" {
		os.Exit(serve(address))
	}
	program.MainIsolated("soak", parse, run)
}
