package cluster

import (
	"context"
	"strconv"
)

// A Role is what an endpoint is to the others, and what a caller wishes it to be.
// PreferReplica is a wish only.
type Role int

const (
	Any           Role = iota // no wish; of an endpoint: not known, or neither
	Primary                   // takes writes
	Replica                   // only follows
	PreferReplica             // a replica; any endpoint if none can be reached, or all were tried in vain
)

var roleNames = [...]string{"any", "primary", "replica", "prefer_replica"}

// String returns "any", "primary", "replica" or "prefer_replica".
func (r Role) String() string {
	if r < 0 || int(r) >= len(roleNames) {
		return "role " + strconv.Itoa(int(r))
	}
	return roleNames[r]
}

// valid reports whether there is such a wish.
func (r Role) valid() bool { return r >= 0 && int(r) < len(roleNames) }

// isRole reports whether an endpoint may have it.
func (r Role) isRole() bool { return r >= Any && r <= Replica }

// A wish is what a caller asks for by its ctx. The zero wish takes anything.
type wish struct {
	role  Role
	keyed bool
	hash  uint64 // of the key
}

type wishKey struct{}

var noWish wish

// wishOf returns what ctx has.
func wishOf(ctx context.Context) *wish {
	if w, ok := ctx.Value(wishKey{}).(*wish); ok {
		return w
	}
	return &noWish
}

// Want returns a context under which Acquire, TryAcquire, Do and WaitReady take
// only endpoints of a role. One that there is not, such as Role(9), is none: they fail
// with an error that says so, TryAcquire without a word.
func Want(ctx context.Context, role Role) context.Context {
	w := *wishOf(ctx)
	w.role = role
	return context.WithValue(ctx, wishKey{}, &w)
}

// WithKey returns a context under which callers with the same key come to the same
// endpoint as long as it is well, which is what a cache at the endpoint gains by.
// Of n endpoints one that comes or goes moves one key in n (rendezvous hashing,
// Thaler and Ravishankar 1996). An endpoint that has more than a quarter over its
// share in use is passed over for the next of the key. Every process with the same
// endpoints chooses the same. An empty key is a key as well.
func WithKey(ctx context.Context, key string) context.Context {
	w := *wishOf(ctx)
	w.keyed, w.hash = true, hash(key)
	return context.WithValue(ctx, wishKey{}, &w)
}

// hash is FNV-1a with the finalizer of MurmurHash3, which spreads what is alike.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
