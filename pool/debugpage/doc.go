// Package debugpage serves a page that shows what pools do, live, for the person on
// call: to be mounted beside net/http/pprof.
//
//	mux.Handle("/debug/hale", debugpage.Handler(orders.Snapshot, users.Snapshot))
//
// # What it shows
//
// Of each pool one word for what it is doing, as [pool.Snapshot] has it (well, busy,
// suspect, full, probing, outage, closed; unknown for one that cannot be asked), with a
// shape and a colour of its own, and for how long, if its beginning was seen; what is
// being done about it; how the places are used, and who waits; what
// connections have died of; how long it took to notice that, beside what was promised;
// and a timeline of the last quarter of an hour.
//
// Of one pool (the only one, or that of the parameter pool, to which its name is a link)
// it also shows the last outages, from the silence to the end, and the connections, 50
// on a page, those in doubt first: addresses, state, age, uses, and what the kernel
// knows (on Linux; elsewhere there are dashes): the round trip, probes without an
// answer, bytes without an acknowledgement, the time since data went either way ("idle")
// and since the last sign of life ("heard"), the keepalive that is set, and within what
// time it would be noticed if the peer were gone now. With pool.Config.LeakAfter there
// is who holds the connection.
//
// A [Cluster] is shown as a table of its endpoints, each of which leads to its pool.
//
// # Forms
//
// There is one address, and one look behind every form of it. The parameter format
// (html, json, text, stream) says which form is wanted, or else the Accept header. One
// that names none of them, as that of curl, gets plain text:
//
//	curl localhost:6060/debug/hale
//	curl 'localhost:6060/debug/hale?pool=orders&format=json'
//
// In JSON times are RFC 3339, durations are seconds in fields that end in _s, what is not
// known is null, and everything has the units of its name. [Page.Var] is the same for
// package expvar. The parameter page is a page of connections, from 1; a number beyond
// the last is the last. A format or a page that makes no sense is answered by 400, a pool
// that is not there by 404.
//
// # It costs nothing while nobody looks
//
// The page starts no goroutine and hangs on no hook. Each look takes one
// [pool.Pool.Snapshot] of each pool, at most four times a second however many look, and
// two system calls for each connection that is listed.
//
// What there is of the past comes from two places. The outages, and when each was dialled
// in them, are kept by the pool itself, the last eight: so the page that is opened after
// the alarm has the outage that it was about. A pool notes them when one begins or ends, so
// that costs its callers nothing. (An Observer that the page offered would have to be set
// when the pool is made, and would be missing where it is needed most.) The other states
// are what the page has seen while somebody watched, up to 15 minutes of it; where nobody
// did the timeline has a thin line. Both are bounded.
//
// # How it keeps itself new
//
// The document gets a new look every second as server-sent events, in place, so that the
// focus, a selection and what was opened stay; a screen reader is told of changes of
// state alone. A page that is hidden closes its stream. A stream has a deadline for each
// write, lasts for a minute before the browser asks for the next, and ends when its
// http.Server begins to shut down, which otherwise would wait for it; Server.WriteTimeout
// does not cut it. There are at most 16. Whoever finds no room, or asks through
// http.TimeoutHandler, or another wrapper that cannot flush or set a deadline or that
// holds back what is flushed, asks every two seconds instead. Without scripts the page is as it is loaded, and loads itself again.
//
// # Who may see it
//
// Whoever may see the mux: as with pprof, there is no authentication here. Mount it where
// pprof is, or behind what guards that. GET and HEAD are all that it answers, and it
// changes nothing. It loads nothing from elsewhere and works without a network; its
// Content-Security-Policy allows its own style and script by their hashes, no frames, and
// no markup that did not pass html/template. Pages of other sites can lead a person here
// and do nothing else: their requests are refused by Sec-Fetch-Site, and
// Cross-Origin-Resource-Policy keeps the answer from them. [Page.Hosts] stops DNS
// rebinding, and [Page.RedactAddresses] hides the network.
package debugpage
