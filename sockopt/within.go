package sockopt

import (
	"time"

	"example.com/hale/internal/tcpretries"
)

const (
	// DefaultWithin is the detection time that the zero KeepAlive stands for.
	DefaultWithin = 30 * time.Second

	// MinWithin is the shortest time that [Within] can promise: a kernel probes after
	// a second at the soonest, and one of Linux answers one probe in half a second
	// (net.ipv4.tcp_invalid_ratelimit), so that it takes two seconds for two that can
	// be answered. In less, one lost packet would be a death.
	MinWithin = 2 * time.Second
)

const (
	// rtoReserve is kept back because the user timeout's clock starts only at
	// the first retransmission, measured at 0.42 s after the data was sent.
	rtoReserve = 500 * time.Millisecond

	// maxIdle keeps the flow known to address translators and load balancers
	// on the way, the strictest of which forget it after some minutes.
	maxIdle = 60 * time.Second

	// maxInterval is what Interval grows to. It must not be above Idle: once a
	// probe has been answered, Linux sends the next one after the longer of
	// the two (tcp_keepalive_timer).
	maxInterval = maxIdle

	// fewProbes is enough to survive the loss of two in a row; more are sent
	// only where the interval may not grow. maxProbes is Linux' limit.
	fewProbes = 3
	maxProbes = 127
)

// Within promises that a peer that is gone is noticed at most d after it
// vanished, whether the connection is idle, has data unacknowledged, or waits for
// the peer to read. The promise is the Within of the result, which the watch of a
// hale.Conn keeps; the other fields are for kernels that are left alone with it,
// with Linux' late timers allowed for.
//
// What a budget tolerates: of living peers none was given up in a minute and a half
// with so many of the packets lost at random, each way, nor with nothing passing for
// so long, again and again. A peer that does not read can be asked by the kernel
// alone, once a second at most. The price is a probe and its answer for each Idle,
// and some packets into a silence.
//
//	d       lost: used, or idle   does not read   gap     packets an hour   into a silence
//	2 s     0 %                   2 %             0.6 s   7,000             up to 10
//	3 s     5 %                   2 %             1.5 s   7,000             20
//	5 s     10 %                  5 %             2.5 s   3,600             40
//	10 s    10 %                  10 %            5 s     1,800             15
//	30 s    10 %                  10 %            15 s    550               25
//	60 s                                                  270               20
//
// (60 s was not tried with losses and gaps; it asks as often in a silence as 30 s.) With more loss some are
// given up: at 2 s and 2 % 10 of 200 idle ones, at 5 s and 10 % 1 of 20 that do not
// read. A gap of half of d may follow a silence of Idle, so one that is longer ends
// some idle connections; TolerateGap is for those. A kernel alone ([Control]) asks
// Count times, and a short d is then one or two lost packets. What other settings
// cost is in docs/cost.md.
//
// Where several askings take longer than d, the verdict waits for them: with the
// peer's window shut up to 3.7 s at a d of 2 or 3 s, and one or two seconds more for a
// minute after probes of it were lost, where d is below seven seconds; and on paths
// whose round trip is above a tenth of d or so, while data is in flight. The round trip is the kernel's
// estimate (tcp(7), TCP_INFO), whose first sample is the handshake: if its first packet
// had to wait for an address to be resolved or a tunnel to be made, the path counts as
// slow until data has been exchanged.
//
// Where only Linux' kernel stands behind it ([Control]), the first write into a
// peer's silence ends keepalive's clock and starts the user timeout's: d then
// counts from that write.
//
// The rule, in whole seconds, rounded down:
//
//	budget      = (d - 0.5 s) * 8/9, at least 2 s
//	Idle        = budget / 2, at most 60 s
//	Interval    = (budget - Idle) / Count, at most 60 s
//	Count       = 3, fewer below 5 s, more where Interval would be above 60 s
//	UserTimeout = Idle + Interval*Count
//
// Half a second is for the retransmission that starts the user timeout's clock,
// 8/9 for Linux' timers, which are late by up to an eighth of their wait. Every
// value grows with d or stays. Within(30s) is 13s, 4s, 3 and 25s.
//
// For a kernel alone, below 2.75 s the floor of two seconds applies, and a late
// kernel may need up to an eighth and the retransmission more than d. Above
// 2 h 24 min it gives something shorter, since Count ends at 127.
//
// A d below [MinWithin], zero and negative ones too, gives a KeepAlive that
// every [Platform.Plan], and so every dial with it, refuses with a
// [*RangeError] that names d.
func Within(d time.Duration) KeepAlive {
	if d == 0 {
		d = leaveAlone // refused, rather than no promise
	}
	if d < MinWithin {
		return KeepAlive{Within: d}
	}
	idle, interval, count := numbers(d)
	return KeepAlive{Within: d, Idle: idle, Interval: interval, Count: int(count), UserTimeout: idle + interval*count}
}

// numbers are those of Within.
func numbers(d time.Duration) (idle, interval, count time.Duration) {
	budget := budgetOf(d)
	idle = min(maxIdle, (budget/2)/time.Second*time.Second)
	rest := budget - idle
	count = min(fewProbes, rest/time.Second)
	interval = min(maxInterval, (rest/count)/time.Second*time.Second)
	if interval == maxInterval {
		count = min(maxProbes, rest/interval)
	}
	return idle, interval, count
}

// budgetOf is what a kernel alone has to keep to for d.
func budgetOf(d time.Duration) time.Duration {
	return max(2*time.Second, ((d-rtoReserve)/9*8)/time.Second*time.Second)
}

// derive is Within with a path that forgets a flow, and a gap that is to be outlasted;
// zero is none. Idle stays as long as may be, for the sake of packets, and Interval
// after it. If there is nothing that keeps to all, it is Within alone, and not ok.
func derive(d, pathIdle, gap time.Duration) (k KeepAlive, ok bool) {
	alone := Within(d)
	pace := max(0, paceFor(d, tcpretries.Default)) // or else the pauses double, which is remarked upon
	if pathIdle <= 0 && gap <= 0 || alone.fits(pathIdle, gap, pace) {
		return alone, true
	}
	budget := budgetOf(d)
	for idle := alone.Idle; idle > 0; idle -= time.Second {
		rest := budget - idle
		for interval := min(maxInterval, rest/2).Truncate(time.Second); interval > 0; interval -= time.Second {
			count := min(maxProbes, rest/interval)
			k = KeepAlive{Within: d, Idle: idle, Interval: interval, Count: int(count), UserTimeout: idle + interval*count}
			if k.fits(pathIdle, gap, pace) {
				return k, true
			}
		}
	}
	return alone, false
}

// fits reports whether k keeps to both, by the watch and by the kernel alone.
func (k KeepAlive) fits(pathIdle, gap, pace time.Duration) bool {
	if pathIdle > 0 && k.packetsApart() > quiet(pathIdle) {
		return false
	}
	return gap <= 0 || k.probesAfter(gap, true) && k.asksAfter(gap) && k.resendsAfter(gap, pace, k.silence()) &&
		enough(gap, k.Interval)+watchAskings <= maxProbes
}
