package cluster

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

// A snapshot is what callers choose from. It does not change; another takes its
// place.
type snapshot[T any] struct {
	by   [len(roleNames)]choice[T] // by the wish
	wide [len(roleNames)]choice[T] // with those of other zones; empty if that is the same
}

func (s *snapshot[T]) of(role Role) *choice[T] { return &s.by[role] }

// wider is where to look if of has no place, or nil.
func (s *snapshot[T]) wider(role Role) *choice[T] {
	if len(s.wide[role].members) == 0 {
		return nil
	}
	return &s.wide[role]
}

// A choice is members that fit a wish, with the shares they get.
type choice[T any] struct {
	members   []*member[T]
	weights   []float64 // as they are now, slow start included
	sums      []float64 // of the weights up to each, itself included
	byLatency bool
}

func (c *choice[T]) add(m *member[T], weight float64) {
	total := weight
	if n := len(c.sums); n > 0 {
		total += c.sums[n-1]
	}
	c.members, c.weights, c.sums = append(c.members, m), append(c.weights, weight), append(c.sums, total)
}

// enter takes a place at the member to be chosen, or else at another that has one.
func (c *choice[T]) enter(w *wish, avoid []*member[T]) *member[T] {
	first, second := -1, -1
	switch n := len(c.members); {
	case n == 0:
		return nil
	case w.keyed && n > 1:
		first = c.nearest(w.hash, avoid)
	case n == 1:
		first = 0
	default:
		first, second = c.two()
		if c.better(second, first) {
			first, second = second, first
		}
	}
	for _, i := range [...]int{first, second} {
		if i >= 0 && !contains(avoid, c.members[i]) && c.members[i].enter() {
			return c.members[i]
		}
	}
	if m := c.any(avoid); m != nil || len(avoid) == 0 {
		return m
	}
	return c.any(nil)
}

// any takes a place at the least loaded member that has one and is none of avoid.
func (c *choice[T]) any(avoid []*member[T]) *member[T] {
	for { // until nobody comes between
		best := -1
		for i, m := range c.members {
			if m.inUse.Load() < m.most && !contains(avoid, m) && (best < 0 || c.better(i, best)) {
				best = i
			}
		}
		if best < 0 {
			return nil
		}
		if c.members[best].enter() {
			return c.members[best]
		}
	}
}

// two draws two different members at random, by their weights: with one draw only,
// or with two that may be the same, the worse of two is taken in a quarter of cases
// (and by equal weights a small one would get too much when nothing is in use).
func (c *choice[T]) two() (i, j int) {
	total := c.sums[len(c.sums)-1]
	i = c.at(rand.Float64() * total)
	rest := rand.Float64() * (total - c.weights[i])
	if rest >= c.sums[i]-c.weights[i] {
		rest += c.weights[i]
	}
	j = c.at(rest)
	if j == i { // by rounding
		j = (i + 1) % len(c.members)
	}
	return i, j
}

// at is the member in whose share x falls.
func (c *choice[T]) at(x float64) int {
	if len(c.sums) <= 8 {
		for i, sum := range c.sums {
			if x < sum {
				return i
			}
		}
		return len(c.sums) - 1
	}
	return min(sort.Search(len(c.sums), func(i int) bool { return x < c.sums[i] }), len(c.sums)-1)
}

// better reports whether i is less loaded for its weight than j.
func (c *choice[T]) better(i, j int) bool {
	a, b := c.members[i], c.members[j]
	if !c.byLatency {
		return float64(a.inUse.Load())*c.weights[j] < float64(b.inUse.Load())*c.weights[i]
	}
	costA := float64(a.inUse.Load()+1) * a.distance() * c.weights[j]
	return costA < float64(b.inUse.Load()+1)*b.distance()*c.weights[i]
}

// nearest is the member that a key belongs to: the one with the highest score,
// -weight/ln(hash), that is none of avoid and not loaded more than a quarter over
// its share (bounded loads: Mirrokni, Thorup and Zadimoghaddam 2016). It is -1 if
// there is none.
func (c *choice[T]) nearest(key uint64, avoid []*member[T]) int {
	total, all := int64(1), 0.0 // with this caller
	for i, m := range c.members {
		total += m.inUse.Load()
		all += c.weights[i]
	}
	best, top := -1, 0.0
	for i, m := range c.members {
		share := math.Ceil(1.25 * float64(total) * c.weights[i] / all)
		if load := float64(m.inUse.Load() + 1); load > share || contains(avoid, m) {
			continue
		}
		u := (float64(mix(key^m.hash)>>11) + 0.5) / (1 << 53)
		if score := -m.about.Load().weight() / math.Log(u); score > top {
			best, top = i, score
		}
	}
	return best
}

func contains[T any](all []*member[T], m *member[T]) bool {
	for _, one := range all {
		if one == m {
			return true
		}
	}
	return false
}

// zoneEnough is how much of its weight the caller's zone has to have left to be used
// alone: 1/1.4, as with Envoy's overprovisioning factor.
const zoneEnough = 0.7

// choose makes the choices for a wish out of those members that could be used. The
// caller holds mu.
func (c *Cluster[T]) choose(among, all []*member[T], now time.Time) (narrow, wide choice[T]) {
	tier := lowest(among)
	local, localAll, zoneNow, zoneMost := tier[:0:0], 0, 0.0, 0.0
	for _, m := range tier {
		if m.inZone(c.config.Zone) {
			local = append(local, m)
			zoneNow += m.about.Load().weight()
		}
	}
	for _, m := range all {
		if len(tier) > 0 && m.about.Load().Priority == tier[0].about.Load().Priority && m.inZone(c.config.Zone) {
			localAll++
			zoneMost += m.about.Load().weight()
		}
	}
	if c.config.Zone == "" || len(local) == 0 || len(local) == len(tier) || zoneNow < zoneEnough*zoneMost {
		return c.shares(tier, now), wide
	}
	return c.shares(local, now), c.shares(tier, now)
}

func (m *member[T]) inZone(zone string) bool { return m.about.Load().Zone == zone }

// shares is a choice among members.
func (c *Cluster[T]) shares(among []*member[T], now time.Time) (all choice[T]) {
	all.byLatency = c.config.ByLatency
	for _, m := range among {
		all.add(m, m.about.Load().weight()*m.warmth(now, c.config.SlowStart))
	}
	return all
}

// lowest is those of the lowest priority.
func lowest[T any](all []*member[T]) (tier []*member[T]) {
	for _, m := range all {
		switch {
		case len(tier) == 0 || m.about.Load().Priority < tier[0].about.Load().Priority:
			tier = append(tier[:0:0], m)
		case m.about.Load().Priority == tier[0].about.Load().Priority:
			tier = append(tier, m)
		}
	}
	return tier
}
