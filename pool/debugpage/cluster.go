package debugpage

import (
	"time"

	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// A Cluster is several endpoints that serve the same, with a pool each, as a page
// shows them. It is a plain value, so that whatever spreads requests over pools can be
// shown: it makes one from what it knows when it is asked. [OfCluster] is for those of
// package cluster.
type Cluster struct {
	Name      string
	Endpoints []Endpoint // in the order in which they are to be shown
}

// An Endpoint is one of a [Cluster]. What is empty or zero is not shown.
type Endpoint struct {
	Name  string  // its address, or what the program calls it
	Role  string  // such as "primary"
	Share float64 // the part of the requests that it gets, 0 to 1

	// Ejected endpoints get no requests for now, Until then if that is known, because
	// of what Why says.
	Ejected bool
	Until   time.Time
	Why     string

	Pool pool.Snapshot
}

// OfCluster is a [cluster.Cluster] as a page shows it, from its Snapshot method.
func OfCluster(s cluster.Snapshot) Cluster {
	shown := Cluster{Name: s.Name}
	for i, e := range s.Stats.Endpoints {
		row := Endpoint{Name: e.Endpoint.Address, Share: e.Share, Pool: s.Pools[i]}
		if e.Endpoint.Role != cluster.Any {
			row.Role = e.Endpoint.Role.String()
		}
		switch e.State {
		case "ejected":
			row.Ejected, row.Until, row.Why = true, e.Until, "its answers"
		case "draining":
			row.Ejected, row.Why = true, "it is draining"
		}
		shown.Endpoints = append(shown.Endpoints, row)
	}
	return shown
}
