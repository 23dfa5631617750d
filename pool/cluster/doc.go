// Package cluster keeps connections to a service that is more than one address:
// replicas, pods behind a name, a primary that moves.
//
// A [Cluster] has one [pool.Pool] for each endpoint, and adds what is the affair
// of several:
//
//   - which endpoints there are: a function that is asked for them ([Static],
//     [DNS], [SRV], or the program's own), or one that tells. Those that have gone
//     drain, those that are new warm up;
//   - which one a caller gets: of two at random the one with less in use for its
//     weight; or by a key, the nearest zone, the round trip;
//   - which ones are well: what the pools know, which is told to the cluster as it
//     happens, and what callers report. It asks nothing by itself;
//   - which one is the primary: [Config].Role is asked of new connections, and of
//     all endpoints when the primary is lost;
//   - how many connections there are, and who is next: one queue for all.
//
// # How a caller is served
//
// Acquire looks at the endpoints that fit the caller's wish (see [Want] and
// [WithKey]), takes a place at one of them, and then a connection out of that
// endpoint's pool. With a place in hand nobody waits for another caller, only for
// a dial; one that takes longer than 250 ms, or longer than its share of the time
// that is left in ctx, goes on by itself, and the caller goes on to the next
// endpoint: at last to other zones, to a higher Priority, and, if it prefers a replica,
// to the primary. Then it begins anew with twice the patience, up to 4 s. Where no
// endpoint that fits has a place, callers wait in turn, in one queue; one that cannot
// be served yet does not hold up those behind it that have another wish.
//
// An endpoint at which a dial hangs, or half of what is in use is suspect (see
// [pool.ConnInfo]), is chosen only if the others have no place, until it was connected
// to, or for a second after the last sign. If most are so, none is.
//
// # What is promised
//
//   - More than MaxConns connections are never in use, nor more than Pool.MaxConns
//     at one endpoint. Where they are all open, an idle one of an endpoint that is no more
//     loaded is used, or else closed to make room for a dial; only dials
//     that nobody waits for any more, as to an endpoint that froze, and those that ask
//     for roles, can go beyond, and what they bring is closed.
//   - An endpoint that is known to be down is asked for nothing.
//   - With Config.Role, a caller who wishes the primary gets a connection to an
//     endpoint that has said within RoleMaxAge that it is the primary, or one that
//     has heard so itself (RoleOf). That an old primary still says so is not to be
//     known by asking; a resolver that knows better (from a Sentinel, or an operator)
//     names another by Endpoint.Role, or, before there is another, leaves the old one
//     out.
//   - A request is sent again under the rules of [pool.Pool.Do], and, if it is
//     idempotent, when Config.Demoted says that it came to a replica.
package cluster
