package pool

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// askLeast is the shortest time between two calls of Resolve, and how long an
	// address is missing at least before it is gone.
	askLeast = time.Second
	// askMost bounds the pauses after calls that failed, which begin with askLeast
	// and double.
	askMost = time.Minute
	// comesBack is how long the absence of an address may be that shows, by its end,
	// that the answers rotate: after a longer one it was another failover.
	comesBack = 5 * time.Minute
	// remembered is for how long that is of interest at least.
	remembered = 20 * time.Minute
)

// addresses is what is known of the addresses of a name, by the answers of
// Config.Resolve and by where dials have led, and decides when to ask again. It
// knows nothing of connections.
//
//	an address that          by                                   is then
//	no answer has had        an answer that has it                there
//	is there                 an answer that lacks it              missing
//	is missing               the same, once its grace is over     gone
//	is missing               one that has none of its family      there
//	is missing or gone       an answer that has it, or a dial     there
//	is gone                  an answer, when it cannot come back  as if no answer had had it
//
// The grace is askLeast, or twice the longest absence of those that have come
// back of late. So one answer never suffices, a name whose answers rotate is soon
// let be, and where dials and answers contradict each other, closing and dialling
// become ever rarer.
type addresses struct {
	every time.Duration // Config.ResolveEvery
	sign  chan struct{} // to look when to ask

	mu     sync.Mutex    // guards what follows; no call-out under it
	least  time.Duration // askLeast, but in a test
	known  map[netip.Addr]sighting
	wanted bool      // something has happened since the last question, or that was not answered
	asked  time.Time // when the last question was over
	failed int       // questions in a row that were not answered

	longest time.Duration // absence of one that came back
	learnt  time.Time     // when it did
}

// sighting is an address that an answer has had.
type sighting struct {
	missing time.Time // when an answer lacked it first; zero if it is there
	gone    bool
}

// untold is what an answer leaves of an address that has none of its family: the
// question for that may have failed, and been passed over in silence.
func (s sighting) untold() sighting {
	if s.gone {
		return s
	}
	return sighting{}
}

// newAddresses returns what is known before the first question, which is due.
func newAddresses(every time.Duration) *addresses {
	return &addresses{every: every, least: askLeast, sign: make(chan struct{}, 1), known: make(map[netip.Addr]sighting), wanted: true}
}

// want has the next question asked as soon as it may be. Nil wants nothing.
func (a *addresses) want() {
	if a == nil {
		return
	}
	a.mu.Lock()
	a.wanted = true
	a.mu.Unlock()
	signal(a.sign)
}

// dialled takes note of a dial that led to an address: the name has it still, or
// somebody should ask. Nil takes none.
func (a *addresses) dialled(ip netip.Addr) {
	if a == nil {
		return
	}
	a.mu.Lock()
	seen, known := a.known[ip]
	if known {
		a.known[ip] = a.back(seen)
	}
	a.mu.Unlock()
	if !known && ip.IsValid() || !seen.missing.IsZero() {
		a.want()
	}
}

// begin reports whether a question is due, which is then asked.
func (a *addresses) begin() bool {
	if a.pause() > 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = false
	return true
}

// pause is how long it is until the next question; it is not positive if that is
// due, and an hour if it is not known.
func (a *addresses) pause() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := time.Hour
	if a.wanted {
		next = 0
	}
	if a.every > 0 {
		next = min(next, time.Until(a.asked.Add(a.every)))
	}
	grace := a.grace()
	for _, s := range a.known {
		if !s.missing.IsZero() && !s.gone {
			next = min(next, grace-time.Since(s.missing))
		}
	}
	return max(next, time.Until(a.asked.Add(a.rest())))
}

// rest is the shortest time from the last question to the next.
func (a *addresses) rest() time.Duration {
	most := askMost
	if a.every > 0 {
		most = min(most, max(a.every, a.least))
	}
	return min(most, a.least<<min(a.failed, 10))
}

// grace is for how long an address has to be missing before it is gone.
func (a *addresses) grace() time.Duration {
	if time.Since(a.learnt) > remembered+4*a.longest {
		a.longest = 0
	}
	return max(a.least, 2*a.longest)
}

// late reports whether an address has been missing for too long to come back.
func (a *addresses) late(s sighting) bool {
	return time.Since(s.missing) > max(comesBack, 2*a.grace())
}

// back is an address that is there, whatever it was; what is learnt of that is
// noted.
func (a *addresses) back(s sighting) sighting {
	if !s.missing.IsZero() && !a.late(s) {
		a.longest, a.learnt = max(a.longest, time.Since(s.missing)), time.Now()
	}
	return sighting{}
}

// unanswered takes note of a question that was not answered: nothing changes.
func (a *addresses) unanswered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.wanted = time.Now(), true
	a.failed++
}

// answered takes note of an answer, which has an address at least, and returns
// what is gone with it.
func (a *addresses) answered(has []netip.Addr) (gone []netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.failed = time.Now(), 0
	for _, ip := range has {
		a.known[ip] = a.back(a.known[ip])
	}
	for ip, s := range a.known {
		switch {
		case slices.Contains(has, ip):
		case !slices.ContainsFunc(has, func(other netip.Addr) bool { return other.Is4() == ip.Is4() }):
			a.known[ip] = s.untold()
		case a.lack(ip, s):
			gone = append(gone, ip)
		}
	}
	slices.SortFunc(gone, netip.Addr.Compare)
	return gone
}

// lack takes note that an answer lacks an address, and reports whether it is gone
// with that. The caller holds mu.
func (a *addresses) lack(ip netip.Addr, s sighting) (gone bool) {
	switch {
	case s.missing.IsZero():
		s.missing = a.asked
	case s.gone && a.late(s):
		delete(a.known, ip)
		return false
	case !s.gone && time.Since(s.missing) >= a.grace():
		s.gone, gone = true, true
	}
	a.known[ip] = s
	return gone
}

// of reports whether an address is there, or gone; it can be neither.
func (a *addresses) of(ip netip.Addr) (there, gone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, known := a.known[ip]
	return known && s.missing.IsZero(), s.gone
}

// ipOf is the address in that of a peer, in the one form in which it compares
// equal; it is not valid if there is none, as in a Unix socket's.
func ipOf(remote string) netip.Addr {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return canonical(peer.Addr())
}

// canonical is an address in that form.
func canonical(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }
