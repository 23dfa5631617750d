package cluster

import (
	"cmp"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// A snapshot is what callers choose from. It does not change; another takes its
// place.
type snapshot[T any] struct {
	by [len(roleNames)]offer[T] // by the wish
}

func (s *snapshot[T]) of(role Role) *offer[T] { return &s.by[role] }

// An offer is what there is for a wish.
type offer[T any] struct {
	fit   []*member[T] // those of the first priority that can be reached
	near  []choice[T]  // where to look for a place: in the next if there is none
	far   []choice[T]  // and where, by who has tried all that fit in vain
	reach []*member[T] // all of near and far
}

// enter takes a place for a caller with a wish, at another member than some if
// possible.
func (o *offer[T]) enter(w *wish, avoid set[T]) *member[T] {
	if m := enterOneOf(o.near, w, avoid); m != nil || len(avoid) == 0 {
		return m
	}
	if left(o.fit, avoid) == 0 {
		if m := enterOneOf(o.far, w, avoid); m != nil {
			return m
		}
	}
	return enterOneOf(o.near, w, nil)
}

func enterOneOf[T any](choices []choice[T], w *wish, avoid set[T]) *member[T] {
	for i := range choices {
		if m := choices[i].enter(w, avoid); m != nil {
			return m
		}
	}
	return nil
}

// A set is of members. The nil set is empty.
type set[T any] map[*member[T]]bool

func setOf[T any](all []*member[T]) set[T] {
	s := make(set[T], len(all))
	for _, m := range all {
		s[m] = true
	}
	return s
}

// nearest yields those who are looked at first for a place.
func (o *offer[T]) nearest() iter.Seq[*member[T]] {
	if len(o.near) == 0 {
		return func(func(*member[T]) bool) {}
	}
	return o.near[0].all()
}

// left is how many of all are none of tried.
func left[T any](all []*member[T], tried set[T]) (n int) {
	for _, m := range all {
		if !tried[m] {
			n++
		}
	}
	return n
}

// or is o, and then other for who has tried all in vain.
func (o offer[T]) or(other *offer[T]) offer[T] {
	o.far = slices.Concat(o.far, other.near, other.far)
	reach := setOf(o.reach)
	o.reach = slices.Clone(o.reach)
	for _, m := range other.reach {
		if !reach[m] {
			o.reach = append(o.reach, m)
		}
	}
	return o
}

// A choice is members that fit a wish, with the shares they get.
type choice[T any] struct {
	members   []*member[T]
	weights   []float64 // as they are now, slow start included
	sums      []float64 // of the weights up to each, itself included
	unequal   bool      // the weights
	byLatency bool
}

func (c *choice[T]) add(m *member[T], weight float64) {
	total := weight
	if n := len(c.sums); n > 0 {
		total += c.sums[n-1]
		c.unequal = c.unequal || weight != c.weights[0]
	}
	c.members, c.weights, c.sums = append(c.members, m), append(c.weights, weight), append(c.sums, total)
}

// enter takes a place at the member to be chosen, or else at another that has one,
// but at none of avoid.
func (c *choice[T]) enter(w *wish, avoid set[T]) *member[T] {
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
		if i >= 0 && !avoid[c.members[i]] && c.members[i].enter() {
			return c.members[i]
		}
	}
	return c.any(avoid)
}

// any takes a place at the least loaded member that has one and is none of avoid.
func (c *choice[T]) any(avoid set[T]) *member[T] {
	for { // until nobody comes between
		best := -1
		for i, m := range c.members {
			if m.inUse.Load() < m.most && !avoid[m] && (best < 0 || c.better(i, best)) {
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

// all yields the members, beginning with any of them.
func (c *choice[T]) all() iter.Seq[*member[T]] {
	return func(yield func(*member[T]) bool) {
		first := rand.IntN(max(1, len(c.members)))
		for i := range c.members {
			if !yield(c.members[(first+i)%len(c.members)]) {
				return
			}
		}
	}
}

// shares is what part of the callers each member gets.
func (c *choice[T]) shares() map[*member[T]]float64 {
	all := make(map[*member[T]]float64, len(c.members))
	for i, m := range c.members {
		all[m] = c.weights[i] / c.sums[len(c.sums)-1]
	}
	return all
}

// two draws two different members at random, by their weights: with one draw only,
// or with two that may be the same, the worse of two is taken in a quarter of cases
// (and by equal weights a small one would get too much when nothing is in use).
func (c *choice[T]) two() (i, j int) {
	if !c.unequal {
		return twoOf(uint64(len(c.members)), rand.Uint64())
	}
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

// twoOf is two different ones of n, from 2 to 2^32, by a random number: each half of it
// is scaled down, which favours none of them by more than n in 2^32. The shares of
// weights have to be searched for instead, in which every step is a guess.
func twoOf(n, random uint64) (i, j int) {
	first, second := random>>32*n>>32, random&math.MaxUint32*(n-1)>>32
	if second >= first {
		second++
	}
	return int(first), int(second)
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
func (c *choice[T]) nearest(key uint64, avoid set[T]) int {
	total, all := int64(1), 0.0 // with this caller
	for i, m := range c.members {
		total += m.inUse.Load()
		all += c.weights[i]
	}
	best, top := -1, 0.0
	for i, m := range c.members {
		share := math.Ceil(1.25 * float64(total) * c.weights[i] / all)
		if load := float64(m.inUse.Load() + 1); load > share || avoid[m] {
			continue
		}
		u := (float64(mix(key^m.hash)>>11) + 0.5) / (1 << 53)
		if score := -m.about.Load().weight() / math.Log(u); score > top {
			best, top = i, score
		}
	}
	return best
}

// zoneEnough is how much of its weight the caller's zone has to have left to be used
// alone: 1/1.4, as with Envoy's overprovisioning factor.
const zoneEnough = 0.7

// offer is what there is for a wish: well is who fits it and may be chosen, of all
// who fit it. The caller holds mu.
func (c *Cluster[T]) offer(well, all []*member[T], now time.Time) (o offer[T]) {
	for i, tier := range tiers(well) {
		if i > 0 {
			o.far = append(o.far, c.shares(tier, now))
			continue
		}
		o.fit = tier
		calm := calm(tier, now)
		for _, some := range [][]*member[T]{c.local(calm, all), calm, tier} {
			if n := len(o.near); n == 0 || len(some) > len(o.near[n-1].members) {
				o.near = append(o.near, c.shares(some, now))
			}
		}
	}
	o.reach = well
	return o
}

// local is those of the caller's zone, if they are enough, or else tier, which is of
// one priority.
func (c *Cluster[T]) local(tier, all []*member[T]) (local []*member[T]) {
	if c.config.Zone == "" {
		return tier
	}
	priority := tier[0].about.Load().Priority
	near := func(m *member[T]) bool {
		about := m.about.Load()
		return about.Zone == c.config.Zone && about.Priority == priority
	}
	local = filter(tier, near)
	if len(local) == 0 || weightOf(local) < zoneEnough*weightOf(filter(all, near)) {
		return tier
	}
	return local
}

// weightOf is that of all together.
func weightOf[T any](all []*member[T]) (sum float64) {
	for _, m := range all {
		sum += m.about.Load().weight()
	}
	return sum
}

// shares is a choice among members.
func (c *Cluster[T]) shares(among []*member[T], now time.Time) (all choice[T]) {
	all.byLatency = c.config.ByLatency
	for _, m := range among {
		all.add(m, m.about.Load().weight()*m.warmth(now, c.config.SlowStart))
	}
	return all
}

// tiers is all by their priority, the lowest first.
func tiers[T any](all []*member[T]) (tiers [][]*member[T]) {
	all = slices.Clone(all)
	priority := func(m *member[T]) int { return m.about.Load().Priority }
	slices.SortStableFunc(all, func(a, b *member[T]) int { return cmp.Compare(priority(a), priority(b)) })
	for len(all) > 0 {
		n := 1
		for n < len(all) && priority(all[n]) == priority(all[0]) {
			n++
		}
		tiers, all = append(tiers, all[:n:n]), all[n:]
	}
	return tiers
}
