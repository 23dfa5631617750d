package sockopt

import "time"

const (
	// watchedCount is the smallest count to set where the watch keeps a promise:
	// it asks about four times a second while something is unanswered, which is
	// eight times within the shortest promise, and pronounces the verdict
	// itself. As many of the kernel's own probes have to be lost before it gives
	// a connection up whose process is stopped or starved.
	watchedCount = 8

	// verdictReserve is by how much the verdict comes before the promised time,
	// so that everybody has been told by then.
	verdictReserve = 250 * time.Millisecond
)

// promise is what decides, besides the values, when a connection is given up.
type promise struct {
	sys     *system
	watched bool
	within  time.Duration
}

// watches reports whether the watch keeps the promise.
func (p promise) watches() bool { return p.watched && p.sys.watched && p.within > 0 }

// window is that of the kernel that acts by k, or of the watch if that is the
// first to give an idle connection up.
func (p promise) window(k KeepAlive) (earliest, latest time.Duration) {
	earliest, latest = p.sys.window(k)
	verdict := p.within - verdictReserve
	if !p.watches() || k.Disabled || latest <= verdict {
		return earliest, latest
	}
	return max(0, verdict-p.sys.fill(k).Idle), verdict
}
