package network

import (
	"fmt"
	"time"

	"example.com/hale/sockopt"
)

// promise is what the client's connections are under: a peer that is gone is
// noticed within it. It is longer than the 3 s for which the kernel asks for a
// neighbour's hardware address.
const promise = 5 * time.Second

var keepAlive = sockopt.Within(promise)

// The server's promise is a longer one: its first probe, after 6 s, comes later
// than the client's verdict. Where packets pass one way only, a probe from the
// other side would be a sign of life, and so would the RST that a kernel sends
// when it gives up.
const serverPromise = 3 * promise

// noise is what a busy machine may add to whatever is measured here.
const noise = time.Second

// A window is the silence after which a death is told, at the least, and the
// time from the break on within which it is, at the most.
type window struct{ from, to time.Duration }

func (w window) String() string { return fmt.Sprintf("after a silence of %v, within %v", w.from, w.to) }

var (
	_, nominal = keepAlive.Window()

	// probed: no probe is answered. Kernel timers are never early.
	probed = window{nominal, promise}
	// unacknowledged: data is not.
	unacknowledged = window{keepAlive.UserTimeout, promise}
	// told: a packet says so, or this machine knows by itself; that takes less
	// than it takes for the first probe to be sent.
	told = window{0, keepAlive.Idle}
	// asked: the answer to a probe says so. The first one is up to an eighth late.
	// One of the watch's may come before, a second after the last sign of life:
	// the networks here have the same addresses, and a death by silence in one has
	// the connections to that host asked in all.
	asked = window{time.Second, keepAlive.Idle * 9 / 8}
	// beaten: a heartbeat is not answered, but acknowledged, and the silence begins
	// with that.
	beaten = window{beatTimeout - acknowledging, beatEvery*11/10 + beatTimeout}
)

// acknowledging is what the other host's kernel may take for it.
const acknowledging = noise / 10

// held are the options of a connection under the promise, as its kernel tells them.
func held() (sockopt.KeepAlive, error) {
	plan, err := sockopt.Current().Plan(keepAlive)
	k := plan.Effective
	k.UserTimeout = 0 // left alone, which is none
	return k, err
}

// How often, and for how long, the application is asked where the kernel's
// answer is not enough.
const (
	beatEvery   = time.Second
	beatTimeout = time.Second
)
