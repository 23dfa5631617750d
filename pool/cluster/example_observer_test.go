package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"example.com/hale/pool/cluster"
)

var (
	from = cluster.Endpoint{Address: "10.0.0.1:5432"}
	to   = cluster.Endpoint{Address: "10.0.0.2:5432"}
)

// An Observer of one's own beside the log.
func ExampleObserver() {
	o := cluster.Tee(cluster.LogObserver(slog.New(slog.DiscardHandler)), &cluster.Observer{
		FailoverEnd: func(i cluster.FailoverInfo) { fmt.Println("writes go to", i.To) },
	})
	o.FailoverEnd(cluster.FailoverInfo{From: from, To: to})
	// Output: writes go to 10.0.0.2:5432
}

func ExampleResolvedInfo() {
	fmt.Println(cluster.ResolvedInfo{Endpoints: []cluster.Endpoint{to}, Added: []cluster.Endpoint{to}, Removed: []cluster.Endpoint{from}})
	// Output: endpoints=1 added=10.0.0.2:5432 removed=10.0.0.1:5432
}

func ExampleEjectedInfo() {
	fmt.Println(cluster.EjectedInfo{Endpoint: from, For: 30 * time.Second, Times: 1, Why: "failures", Err: errors.New("overloaded")})
	// Output: endpoint=10.0.0.1:5432 ejection.reason=failures times=1 for=30s error.message=overloaded
}

func ExamplePanicInfo() {
	fmt.Println(cluster.PanicInfo{Active: true, Well: 1, All: 4})
	// Output: active=true well=1 endpoints=4
}

func ExampleFailoverInfo() {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fmt.Println(cluster.FailoverInfo{
		From: from, To: to, Cause: "outage", Began: began, Detected: began.Add(3 * time.Second), Ended: began.Add(4 * time.Second), Healed: true,
	})
	// Output: from=10.0.0.1:5432 to=10.0.0.2:5432 failover.cause=outage began=2026-01-02T03:04:05Z detection.duration=3s failover.duration=4s failover.healed=true
}

func ExampleFallbackInfo() {
	fmt.Println(cluster.FallbackInfo{Active: true, Replicas: 2})
	// Output: active=true replicas=2
}

// An Acquire that had to go on to another endpoint.
func ExampleWaitedInfo() {
	fmt.Println(cluster.WaitedInfo{Endpoint: to, Wait: 250 * time.Millisecond, Hops: 1})
	fmt.Println(cluster.WaitedInfo{Wait: time.Second, Hops: 2, Err: context.DeadlineExceeded})
	// Output:
	// acquire.wait=250ms endpoint=10.0.0.2:5432 hops=1
	// acquire.wait=1s hops=2 error.message="context deadline exceeded"
}
