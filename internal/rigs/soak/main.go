// Soak keeps many workers busy through a pool of hale's connections while
// faults come at random, for as long as it is told, and checks every reply.
//
//	cd internal/rigs
//	go run ./soak                                 # one minute
//	go run ./soak -for 1h -seed 7 -workers 32
//	go run ./soak -for 10m -seed 8 -json
//	go run ./soak -faults early-close,full        # of all kinds, these
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
//   - early-close: it closes each connection after 1 to 5 s, and is well otherwise
//   - full: it keeps some connections, and refuses others, by a reply or a close
//   - unasked: it says a second line after some replies, or a notice to the idle
//   - move: the name leads to the other server, and the pool may be told
//   - standstill: this process itself is stopped, by a child that has it go on
//
// They overlap. After each round of all eleven there is a quiet moment: no
// fault, no request under way, and every connection of the pool acquired at
// once. Goroutines, descriptors and heap are counted there.
//
// Only a server that is frozen, killed or stopped, or does not read, is an
// outage, and only its connections may die of silence. Nobody may get a
// connection on which something had been said before it was asked for.
//
// An interactive shell takes a program that stands still for one that the user
// has suspended, unless something stands between, as go run does.
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
	if d := os.Getenv(stopEnv); d != "" {
		os.Exit(stopParent(d))
	}
	program.MainIsolated("soak", parse, run)
}
