package cluster

import (
	"fmt"
	"slices"
)

// An Endpoint is one address of the service. Only Address is needed. It is a plain
// value; what the cluster was given is not changed by it.
type Endpoint struct {
	// Address is what is dialled, as a rule host:port: another port is another
	// endpoint, and so is a name with other letters, capitals included. Empty is an
	// error; for the rest it is for Dial to judge.
	Address string

	// ID tells endpoints apart that have one address after another, as pods do: if
	// it changes, the connections of before drain. It may be empty.
	ID string

	// Weight is the share of callers in proportion to those of others, from 1e-9 to
	// 1e9. 0 is 1; any other is an error. An endpoint that is to get nobody is left
	// out.
	Weight float64

	// Zone is where the endpoint is, for Config.Zone. It may be empty.
	Zone string

	// Priority has endpoints used only if none of a lower number can be, or by who has
	// tried those in vain: 0 is the first, and negative ones come before it.
	Priority int

	// Role is what the resolver knows of the endpoint's role: Primary or Replica.
	// Any, which is 0, is nothing; another is an error. Without Config.Role it is taken
	// as it is. With it, who wishes the primary relies on it only after it was asked
	// for, and it decides between two that say of themselves that they are the
	// primary; a Replica is read from until it says otherwise, so that one that is
	// down or hangs is better left out.
	Role Role
}

// String returns the address.
func (e Endpoint) String() string { return e.Address }

// What a Weight may be, so that sums of them are finite, and none is lost in them.
const (
	minWeight = 1e-9
	maxWeight = 1e9
)

// weight is Weight with its default.
func (e *Endpoint) weight() float64 {
	if e.Weight == 0 {
		return 1
	}
	return e.Weight
}

// key is what makes it the same endpoint.
func (e *Endpoint) key() string { return e.Address + "\x00" + e.ID }

// check says what is wrong with it.
func (e *Endpoint) check() error {
	switch {
	case e.Address == "":
		return fmt.Errorf("cluster: Endpoint.Address %q: must not be empty", e.Address)
	case e.Weight != 0 && !(e.Weight >= minWeight && e.Weight <= maxWeight):
		return fmt.Errorf("cluster: Endpoint.Weight %v of %s: must be 0, or from %v to %v", e.Weight, e.Address, minWeight, maxWeight)
	case e.Role != Any && e.Role != Primary && e.Role != Replica:
		return fmt.Errorf("cluster: Endpoint.Role %v of %s: must be Primary, Replica or Any", e.Role, e.Address)
	}
	return nil
}

// checkAll says what is wrong with the first of them that is wrong, or drops those
// that come twice.
func checkAll(all []Endpoint) ([]Endpoint, error) {
	seen := make(map[string]bool, len(all))
	for i := range all {
		if err := all[i].check(); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(e Endpoint) bool {
		twice := seen[e.key()]
		seen[e.key()] = true
		return twice
	}), nil
}
