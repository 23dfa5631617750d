package sockopt

import (
	"math"
	"time"
)

// system is everything a plan needs to know about one operating system from
// one version on.
type system struct {
	goos string
	from version // the first version that this is true of
	path string
	rows []row // in the order of the calls

	// fixedCount is the number of probes of a system that takes no other. The
	// interval is then chosen so that Interval*Count stays what was asked.
	fixedCount int

	// userTimeoutDecides: the user timeout, when set, replaces the count
	// (Linux, tcp_keepalive_timer).
	userTimeoutDecides bool

	// sharedRemark is set where the option in the row of FieldStallTimeout is
	// also the only one that bounds unacknowledged data, so that a plan can
	// set it for one of the two. It says what keeps to the user timeout of a
	// connection that is watched.
	sharedRemark string

	// watched: the watch of a hale.Conn asks an idle peer by itself, and gives
	// it up at the promised time (Linux).
	watched bool

	// defaults are the documented values of a socket nobody touched, zero
	// where none is documented.
	defaults KeepAlive

	// remarks are what a user of a field has to know. For a field without a
	// row they say why there is none.
	remarks map[Field]string
}

// row says how one field is handed to the kernel, and which values of it the
// kernel accepts, in unit.
type row struct {
	field       Field
	call        string
	level       string
	levelNumber int
	name        string
	number      uint32
	unit        time.Duration // zero: a plain number
	min, max    int64
}

const (
	sec = time.Second
	ms  = time.Millisecond

	// maxInt is the largest value that setsockopt's int can carry, and the
	// limit where a system documents none.
	maxInt = math.MaxInt32

	tenDays = 10 * 24 * 60 * 60 // in seconds
)

// onLinux and onBSD are SO_KEEPALIVE's two common spellings.
var (
	onLinux = row{FieldKeepAlive, callSetsockopt, "SOL_SOCKET", 1, "SO_KEEPALIVE", 9, 0, 0, 1}
	onBSD   = row{FieldKeepAlive, callSetsockopt, "SOL_SOCKET", 0xffff, "SO_KEEPALIVE", 8, 0, 0, 1}
)

// tcp is an option at the level of TCP.
func tcp(f Field, name string, number uint32, unit time.Duration, min, max int64) row {
	return row{f, callSetsockopt, "IPPROTO_TCP", 6, name, number, unit, min, max}
}

// vals is one of the two times in struct tcp_keepalive of Windows.
func vals(f Field) row {
	return row{f, callIoctl, "", 0, "SIO_KEEPALIVE_VALS", 0x98000004, ms, 1, math.MaxUint32}
}

// Numbers and limits are from the headers and the sources of the systems, not
// from the build: a plan for one system is made on any other. x/sys could not
// be used for all of them anyway: under GOOS=solaris it has the numbers of
// illumos.
//
// Of several entries for one GOOS the newest comes first.
var systems = [...]system{
	{
		goos: "linux", from: version{6, 15, 0}, path: pathOptions, userTimeoutDecides: true, sharedRemark: linuxShared, watched: true,
		rows: append(linuxRows[:len(linuxRows):len(linuxRows)],
			tcp(FieldPace, "TCP_RTO_MAX_MS", 44, ms, int64(minPace/ms), int64(maxPace/ms))),
		defaults: linuxDefaults,
	},
	{
		goos: "linux", path: pathOptions, userTimeoutDecides: true, sharedRemark: linuxShared, watched: true,
		rows: linuxRows, defaults: linuxDefaults,
		remarks: map[Field]string{
			FieldPace: "linux before 6.15 has no bound for the pause between retransmissions; the watch still ends a silence, but a peer that vanishes with its window shut is asked again only after up to two minutes",
		},
	},
	{
		// xnu bsd/netinet/tcp_usrreq.c: times are kept as 32-bit milliseconds.
		goos: "darwin", path: pathOptions,
		rows: []row{
			onBSD,
			tcp(FieldIdle, "TCP_KEEPALIVE", 0x10, sec, 1, math.MaxUint32/1000),
			tcp(FieldInterval, "TCP_KEEPINTVL", 0x101, sec, 1, math.MaxUint32/1000),
			tcp(FieldCount, "TCP_KEEPCNT", 0x102, 0, 1, maxInt),
			// No check, but the kernel multiplies it by 1000 in an int.
			tcp(FieldUserTimeout, "TCP_RXT_CONNDROPTIME", 0x80, sec, 1, maxInt/1000),
			tcp(FieldStallTimeout, "PERSIST_TIMEOUT", 0x40, sec, 1, maxInt/1000),
		},
		defaults: KeepAlive{Idle: 7200 * sec, Interval: 75 * sec, Count: 8},
		remarks: map[Field]string{
			FieldUserTimeout: "looked at only when a retransmission is due, so the connection ends at the first one after it",
		},
	},
	{
		goos: "windows", from: version{10, 0, 16299}, path: pathOptions,
		rows: []row{
			onBSD,
			tcp(FieldIdle, "TCP_KEEPIDLE", 3, sec, 1, maxInt),
			tcp(FieldInterval, "TCP_KEEPINTVL", 17, sec, 1, maxInt),
			tcp(FieldCount, "TCP_KEEPCNT", 16, 0, 1, 255),
			windowsBound,
		},
		defaults: windowsDefaults,
		remarks:  map[Field]string{FieldUserTimeout: windowsRemark},
	},
	{
		goos: "windows", from: version{10, 0, 15063}, path: pathMixed,
		rows: []row{
			onBSD,
			vals(FieldIdle),
			vals(FieldInterval),
			tcp(FieldCount, "TCP_KEEPCNT", 16, 0, 1, 255),
			windowsBound,
		},
		defaults: windowsDefaults,
		remarks:  map[Field]string{FieldUserTimeout: windowsRemark},
	},
	{
		goos: "windows", from: version{6, 0, 0}, path: pathIoctl, fixedCount: 10,
		rows:     []row{onBSD, vals(FieldIdle), vals(FieldInterval), windowsBound},
		defaults: windowsDefaults,
		remarks:  map[Field]string{FieldUserTimeout: windowsRemark},
	},
	{
		// Before Vista.
		goos: "windows", path: pathIoctl, fixedCount: 5,
		rows:     []row{onBSD, vals(FieldIdle), vals(FieldInterval)},
		defaults: KeepAlive{Idle: 7200 * sec, Interval: 1 * sec, Count: 5},
	},
	{
		goos: "freebsd", from: version{14, 0, 0}, path: pathOptions,
		rows: append(freebsdKeep[:len(freebsdKeep):len(freebsdKeep)],
			tcp(FieldStallTimeout, "TCP_MAXUNACKTIME", 0x44, sec, 1, math.MaxUint32/1000)),
		sharedRemark: "no option of its own, because TCP_MAXUNACKTIME ends a live peer that does not read, too; keepalive ends a silent one, even with data in flight",
		defaults:     freebsdDefaults,
	},
	{
		goos: "freebsd", path: pathOptions, rows: freebsdKeep, defaults: freebsdDefaults,
		remarks: map[Field]string{
			FieldUserTimeout:  oldFreeBSD,
			FieldStallTimeout: oldFreeBSD,
		},
	},
	{
		goos: "netbsd", path: pathOptions,
		rows: []row{
			onBSD,
			tcp(FieldIdle, "TCP_KEEPIDLE", 3, sec, 1, maxInt),
			tcp(FieldInterval, "TCP_KEEPINTVL", 5, sec, 1, maxInt),
			tcp(FieldCount, "TCP_KEEPCNT", 6, 0, 1, maxInt),
		},
		remarks: map[Field]string{
			FieldIdle:     netbsdRemark,
			FieldInterval: netbsdRemark,
		},
	},
	{
		goos: "openbsd", path: pathSwitch, rows: []row{onBSD},
		remarks: map[Field]string{
			FieldIdle:     "no such socket option; sysctl net.inet.tcp.keepidle holds for every connection",
			FieldInterval: "no such socket option; sysctl net.inet.tcp.keepintvl holds for every connection",
		},
	},
	{
		goos: "dragonfly", from: version{5, 8, 0}, path: pathOptions,
		rows: []row{
			onBSD,
			tcp(FieldIdle, "TCP_KEEPIDLE", 0x100, sec, 1, maxInt/1000),
			tcp(FieldInterval, "TCP_KEEPINTVL", 0x200, sec, 1, maxInt/1000),
			tcp(FieldCount, "TCP_KEEPCNT", 0x400, 0, 1, maxInt),
		},
	},
	{
		// The same options in milliseconds; less than a tick of 1/100 s is
		// EINVAL.
		goos: "dragonfly", path: pathOptions,
		rows: []row{
			onBSD,
			tcp(FieldIdle, "TCP_KEEPIDLE", 0x100, ms, 10, maxInt),
			tcp(FieldInterval, "TCP_KEEPINTVL", 0x200, ms, 10, maxInt),
			tcp(FieldCount, "TCP_KEEPCNT", 0x400, 0, 1, maxInt),
		},
	},
	{
		goos: "solaris", from: version{11, 4, 0}, path: pathOptions,
		rows: []row{
			onBSD,
			tcp(FieldIdle, "TCP_KEEPIDLE", 0x1d, sec, 10, tenDays),
			tcp(FieldInterval, "TCP_KEEPINTVL", 0x1e, sec, 10, tenDays),
			tcp(FieldCount, "TCP_KEEPCNT", 0x1f, 0, 1, maxInt),
			abortThreshold,
		},
		defaults: KeepAlive{Idle: 7200 * sec},
		remarks:  map[Field]string{FieldUserTimeout: solarisRemark},
	},
	{
		goos: "solaris", path: pathOptions, fixedCount: 1,
		rows: []row{
			onBSD,
			tcp(FieldIdle, "TCP_KEEPALIVE_THRESHOLD", 0x16, ms, 10*1000, tenDays*1000),
			tcp(FieldInterval, "TCP_KEEPALIVE_ABORT_THRESHOLD", 0x17, ms, 1, maxInt),
			abortThreshold,
		},
		defaults: KeepAlive{Idle: 7200 * sec, Interval: 480 * sec, Count: 1},
		remarks: map[Field]string{
			FieldCount:       "solaris before 11.4 decides itself how many probes it sends: Interval*Count is set as a whole, as one interval",
			FieldUserTimeout: solarisRemark,
		},
	},
	{
		// uts/common/inet/tcp: an interval outside of the retransmission
		// timeout's bounds, 400 ms and 60 s, is EINVAL. The interval has to
		// come before the count, which would infer one.
		goos: "illumos", path: pathOptions,
		rows: []row{
			onBSD,
			tcp(FieldIdle, "TCP_KEEPIDLE", 0x22, sec, 10, tenDays),
			tcp(FieldInterval, "TCP_KEEPINTVL", 0x24, sec, 1, 60),
			tcp(FieldCount, "TCP_KEEPCNT", 0x23, 0, 1, maxInt),
			abortThreshold,
		},
		defaults: KeepAlive{Idle: 7200 * sec},
		remarks:  map[Field]string{FieldUserTimeout: solarisRemark},
	},
	{
		goos: "aix", path: pathOptions,
		rows: []row{
			onBSD,
			tcp(FieldIdle, "TCP_KEEPIDLE", 0x11, sec, 1, maxInt),
			tcp(FieldInterval, "TCP_KEEPINTVL", 0x12, sec, 1, maxInt),
			tcp(FieldCount, "TCP_KEEPCNT", 0x13, 0, 1, maxInt),
		},
		remarks: map[Field]string{
			FieldIdle:     aixRemark,
			FieldInterval: aixRemark,
		},
	},
	{
		goos: "plan9", path: pathNone,
		remarks: map[Field]string{
			FieldKeepAlive: "plan9 takes it through a ctl file, which is package net's alone: use net.TCPConn's SetKeepAlive",
		},
	},
	{goos: "js", path: pathNone, remarks: fakeNet},
	{goos: "wasip1", path: pathNone, remarks: fakeNet},
}

// noSystem stands for every GOOS that is not in the table.
var noSystem = system{path: pathNone}

// Pieces that several systems share.
var (
	linuxDefaults = KeepAlive{Idle: 7200 * sec, Interval: 75 * sec, Count: 9}
	linuxRows     = []row{
		// net/ipv4/tcp.c: values outside the range are EINVAL, never clamped.
		onLinux,
		tcp(FieldIdle, "TCP_KEEPIDLE", 4, sec, 1, 32767),
		tcp(FieldInterval, "TCP_KEEPINTVL", 5, sec, 1, 32767),
		tcp(FieldCount, "TCP_KEEPCNT", 6, 0, 1, 127),
		tcp(FieldStallTimeout, "TCP_USER_TIMEOUT", 18, ms, 1, maxInt),
	}

	windowsDefaults = KeepAlive{Idle: 7200 * sec, Interval: 1 * sec, Count: 10}
	windowsBound    = tcp(FieldUserTimeout, "TCP_MAXRT", 5, sec, 1, maxInt)

	freebsdDefaults = KeepAlive{Idle: 7200 * sec, Interval: 75 * sec, Count: 8}
	freebsdKeep     = []row{
		// More than UINT_MAX/hz is EINVAL; hz is 1000.
		onBSD,
		tcp(FieldIdle, "TCP_KEEPIDLE", 0x100, sec, 1, math.MaxUint32/1000),
		tcp(FieldInterval, "TCP_KEEPINTVL", 0x200, sec, 1, math.MaxUint32/1000),
		tcp(FieldCount, "TCP_KEEPCNT", 0x400, 0, 1, maxInt),
	}

	abortThreshold = tcp(FieldUserTimeout, "TCP_ABORT_THRESHOLD", 0x11, ms, 1, maxInt)

	fakeNet = map[Field]string{FieldKeepAlive: "this platform's network has no socket options"}
)

const (
	linuxShared   = "no option of its own, because TCP_USER_TIMEOUT ends a live peer that does not read, too; the pace and the watch of a hale.Conn keep to it"
	oldFreeBSD    = "not set, because freebsd before 14 may accept TCP_MAXUNACKTIME but does not act by it"
	windowsRemark = "TCP_MAXRT bounds retransmission; how it treats a peer with its window shut is not documented"
	solarisRemark = "TCP_ABORT_THRESHOLD bounds retransmission; a peer that answers with its window shut is not covered"
	netbsdRemark  = "set in seconds as tcp(4) says, but the kernel appears to count half seconds: expect detection up to twice as early"
	aixRemark     = "set in seconds, but the unit is not documented: the system-wide tunables of the same name are in half seconds"
)
