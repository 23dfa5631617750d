package sockopt

import (
	"fmt"
	"time"
)

// Values of [KeepAlive.PathIdleTimeout]: after how long without a packet the boxes of
// some clouds forget a flow, unless they are set up otherwise. As a rule they do so in
// silence.
const (
	// PathIdleAWS is that of the Network Load Balancers, NAT gateways and VPC
	// endpoints of AWS (Elastic Load Balancing, "Connection idle timeout"; Amazon
	// VPC, "NAT gateway" and "AWS PrivateLink"). A load balancer's listener may have
	// another, from 60 s to 6000 s (tcp.idle_timeout.seconds).
	PathIdleAWS = 350 * time.Second

	// PathIdleAzure is that of Azure's load balancers and NAT gateways (Azure Load
	// Balancer, "Configure TCP reset and idle timeout"); a rule may have more, up to
	// 100 minutes.
	PathIdleAzure = 4 * time.Minute

	// PathIdleGCP is that of the connection tracking in every VPC network of Google
	// Cloud (VPC, "Firewall rules", on idle connections).
	PathIdleGCP = 10 * time.Minute

	// PathIdleCloudNAT is that of Google's Cloud NAT (Cloud NAT, "TCP Established
	// Connection Idle Timeout"). Where the flow passes the connection tracking of a
	// VPC network as well, PathIdleGCP is the one to use.
	PathIdleCloudNAT = 1200 * time.Second

	// PathIdleDockerSwarm is that of the virtual addresses of a Docker swarm's
	// services, which are IPVS (moby/moby, issue 31208; ipvsadm(8), --set).
	PathIdleDockerSwarm = 900 * time.Second
)

// minPathIdle has room for two probes, a second apart, from a kernel that is late.
const minPathIdle = 2250 * time.Millisecond

// quiet is the longest time between two packets that a plan may leave, so that the
// timers of Linux, late by up to an eighth, keep to pathIdle.
func quiet(pathIdle time.Duration) time.Duration { return pathIdle / 9 * 8 }

// packetsApart is the longest time between two packets on an idle connection whose
// peer answers, if one of them is lost: after a probe that was answered the next comes
// after the longer of the two (tcp_keepalive_timer), after another one after Interval.
func (k KeepAlive) packetsApart() time.Duration { return plus(max(k.Idle, k.Interval), k.Interval) }

// checkPath refuses what no platform could keep.
func (k KeepAlive) checkPath() error {
	path := "PathIdleTimeout " + seconds(k.PathIdleTimeout)
	e := RangeError{Field: "PathIdleTimeout", Value: seconds(k.PathIdleTimeout)}
	switch {
	case k.PathIdleTimeout == 0:
		return nil
	case k.PathIdleTimeout < 0:
		e.Limit = "negative; zero is for none"
	case k.PathIdleTimeout < minPathIdle:
		e.Limit = "below " + seconds(minPathIdle) + ", the shortest in which two probes of whole-second kernel timers fit"
	case k.Disabled:
		e.Limit = "set, although Disabled is true"
	case k.Idle == leaveAlone:
		e = RangeError{"Idle", "system", "left alone, although " + path + " needs a first probe in time"}
	case k.Interval == leaveAlone:
		e = RangeError{"Interval", "system", "left alone, although " + path + " needs a second probe in time"}
	case k.Pace > 0 && plus(k.Pace, k.Pace) > quiet(k.PathIdleTimeout):
		e = RangeError{"Pace", seconds(k.Pace), "above half of the " + seconds(quiet(k.PathIdleTimeout)) + " that " + path + " allows, so that no window probe may be lost"}
	default:
		return nil
	}
	return &e
}

// checkWithin refuses a promise that values which the platform raised do not keep,
// beside others that they do.
func (b *builder) checkWithin() error {
	given, e := b.given, b.Effective
	numbered := given.Idle != 0 || given.Interval != 0 || given.Count != 0
	if numbered || given.PathIdleTimeout == 0 && given.TolerateGap == 0 || !e.probes() || b.promise().watches() {
		return nil
	}
	if within := given.Within; within > 0 && e.Count > 0 && e.total() > within {
		return &RangeError{"Within", seconds(within), fmt.Sprintf("too short for %s: idle %s, interval %s, count %d",
			b.Platform.GOOS, seconds(e.Idle), seconds(e.Interval), e.Count)}
	}
	return nil
}

// checkPath refuses probes that would come too late.
func (b *builder) checkPath() error {
	path, e := b.given.PathIdleTimeout, b.Effective
	if path == 0 || !e.probes() || e.packetsApart() <= quiet(path) {
		return nil
	}
	limit := fmt.Sprintf("too long for PathIdleTimeout %s: if a probe is lost, the next has to follow within %s, and comes after %s",
		seconds(path), seconds(quiet(path)), seconds(e.packetsApart()))
	switch {
	case b.given.Idle > 0:
		return &RangeError{"Idle", seconds(e.Idle), limit}
	case b.given.Interval > 0:
		return &RangeError{"Interval", seconds(e.Interval), limit}
	}
	return &RangeError{"PathIdleTimeout", seconds(path),
		fmt.Sprintf("too short for %s: idle %s, interval %s", b.Platform.GOOS, seconds(e.Idle), seconds(e.Interval))}
}

// probes reports whether it is known when keepalive asks.
func (k KeepAlive) probes() bool { return !k.Disabled && k.Idle > 0 && k.Interval > 0 }

// remarkOnPath says where the flow may be forgotten all the same.
func (b *builder) remarkOnPath() string {
	path, pace := b.given.PathIdleTimeout, b.Effective.Pace
	if pace < 0 {
		pace = maxPace
	}
	switch {
	case path == 0:
		return ""
	case !b.Effective.probes():
		return fmt.Sprintf("not kept, because %s decides when the first probe is sent", b.Platform.GOOS)
	case b.sys.watched && plus(pace, pace) > quiet(path):
		return fmt.Sprintf("kept while the connection is idle; a peer whose window is shut may be asked no more often than once in %s", seconds(pace))
	}
	return ""
}
