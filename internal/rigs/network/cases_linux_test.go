package network

import (
	"io"
	"net/netip"
	"os"
	"syscall"

	"example.com/hale/health"
	"example.com/hale/internal/lab/testnet"
)

// What most breakages come to: silence, which has two clocks.
var (
	silentIdle = outcome{cause: health.KeepAliveTimeout, err: syscall.ETIMEDOUT, when: probed}
	silentBusy = outcome{cause: health.SendTimeout, err: syscall.ETIMEDOUT, when: unacknowledged}
)

// unreachable is silentBusy where the kernel has come upon an error. To a
// connection that stands it is no more than a hint: the network may be mended
// before its time is over.
func unreachable(err error) outcome {
	o := silentBusy
	o.kernel = &outcome{cause: health.Unreachable, err: err}
	return o
}

// dies is any other death.
func dies(cause health.Cause, err error, when window) outcome {
	return outcome{cause: cause, err: err, when: when}
}

// livesOn is no death, at least for as long as one would take. The request ends
// with err.
func livesOn(err error, when window) outcome { return outcome{err: err, when: when} }

// breakages are the rows of the table, but for those that have a test of their
// own.
var breakages = []breakage{
	{
		name:   "everything is swallowed on the way",
		breaks: func(s *scene) { s.client.BlackHole(testnet.Right, s.server) },
		mends:  addressBack, mended: "packets pass",
		idle: silentIdle, busy: silentBusy, dial: errTimeout,
	},
	{
		name:   "everything is swallowed on the way, IPv6",
		setup:  (*scene).sixth,
		breaks: swallowSixth,
		mends:  func(s *scene) { s.server.Firewall("") }, mended: "packets pass",
		idle: silentIdle, busy: silentBusy, dial: errTimeout,
	},
	{
		name:   "cable pulled at the client",
		breaks: func(s *scene) { s.client.Unplug(testnet.Right) },
		mends:  func(s *scene) { s.client.Plug(testnet.Right) }, mended: "cable back",
		idle: silentIdle, busy: unreachable(syscall.ETIMEDOUT), dial: syscall.ENETUNREACH,
	},
	{
		name:   "cable pulled at the server",
		breaks: func(s *scene) { s.server.Unplug(testnet.Left) },
		mends:  func(s *scene) { s.server.Plug(testnet.Left) }, mended: "cable back",
		idle: silentIdle, busy: unreachable(syscall.EHOSTUNREACH), dial: syscall.EHOSTUNREACH,
	},
	{
		name:  "cable pulled at the server, behind a router",
		hosts: 3, setup: eagerRouter,
		breaks: func(s *scene) { s.server.Unplug(testnet.Left) },
		mends: func(s *scene) {
			s.server.Plug(testnet.Left)
			returnRouteBack(s)
		},
		mended: "cable back",
		idle:   silentIdle, busy: unreachable(syscall.EHOSTUNREACH), dial: syscall.EHOSTUNREACH,
	},
	{
		name:   "the client's address is removed",
		breaks: func(s *scene) { s.client.IP("addr del " + s.client.Addr(testnet.Right) + "/24 dev right") },
		mends:  func(s *scene) { s.client.IP("addr add " + s.client.Addr(testnet.Right) + "/24 dev right") },
		mended: "address back",
		idle:   silentIdle, busy: unreachable(syscall.ETIMEDOUT), dial: syscall.ENETUNREACH,
	},
	{
		name:   "the server's address is removed",
		breaks: addressGone,
		mends:  addressBack, mended: "address back",
		idle: silentIdle, busy: silentBusy, dial: errTimeout,
	},
	{
		name: "nobody answers ARP for the server",
		breaks: func(s *scene) {
			addressGone(s)
			s.client.IP("neigh flush dev right")
		},
		mends: addressBack, mended: "address back",
		idle: silentIdle, busy: unreachable(syscall.EHOSTUNREACH), dial: syscall.EHOSTUNREACH,
	},
	{
		name:   "route deleted at the client",
		hosts:  3,
		breaks: func(s *scene) { s.client.IP("route del 10.77.1.0/24") },
		mends:  func(s *scene) { s.client.IP("route add 10.77.1.0/24 via " + s.hosts[1].Addr(testnet.Left)) },
		mended: "route back",
		idle:   silentIdle, busy: unreachable(syscall.ETIMEDOUT), dial: syscall.ENETUNREACH,
	},
	{
		name:  "a router refuses, by ICMP",
		hosts: 3, setup: eagerRouter,
		breaks: func(s *scene) {
			s.hosts[1].Firewall(`table ip refuse {
				chain pass {
					type filter hook forward priority filter
					reject with icmp net-unreachable
				}
			}`)
		},
		mends: func(s *scene) { s.hosts[1].Firewall("") }, mended: "it routes again",
		idle: silentIdle, busy: unreachable(syscall.ENETUNREACH), dial: syscall.ENETUNREACH,
	},
	{
		name:   "route back deleted at the server",
		hosts:  3,
		breaks: func(s *scene) { s.server.IP("route del 10.77.0.0/24") },
		mends:  returnRouteBack, mended: "route back",
		idle: silentIdle, busy: silentBusy, dial: errTimeout,
	},
	{
		name:  "NAT forgets the flow, and drops",
		hosts: 3, setup: translate("drop"),
		breaks: func(s *scene) { s.hosts[1].ForgetFlows() },
		idle:   silentIdle, busy: silentBusy,
	},
	{
		name:  "NAT forgets the flow, and answers RST",
		hosts: 3, setup: translate("reject with tcp reset"),
		breaks: func(s *scene) { s.hosts[1].ForgetFlows() },
		idle:   dies(health.Reset, syscall.ECONNRESET, asked),
		busy:   dies(health.Reset, syscall.ECONNRESET, told),
	},
	{
		name:   "the server's machine reboots",
		breaks: reboot,
		idle:   dies(health.Reset, syscall.ECONNRESET, asked),
		busy:   dies(health.Reset, syscall.ECONNRESET, told),
	},
	{
		name:  "the server's process is killed",
		apart: true, reached: true,
		breaks: func(s *scene) { s.process.kill() },
		mends:  func(s *scene) { s.process = startProcess(s.t, s.server, serverRole, s.address) }, mended: "another started",
		idle: dies(health.PeerClosed, io.EOF, told),
		busy: dies(health.PeerClosed, io.EOF, told),
		dial: syscall.ECONNREFUSED,
	},
	{
		name:  "the server's process is stopped",
		setup: (*scene).heartbeat,
		apart: true, breaks: func(s *scene) { s.process.stop() },
		mends: func(s *scene) { s.process.proceed() }, mended: "continued",
		idle: dies(health.HeartbeatFailed, os.ErrDeadlineExceeded, beaten),
		busy: livesOn(os.ErrDeadlineExceeded, unacknowledged),
		dial: errTimeout,
	},
	{
		name:   "the server closes its sending side",
		breaks: func(s *scene) { s.local.finish() }, reached: true,
		idle: dies(health.PeerClosed, io.EOF, told),
		busy: dies(health.PeerClosed, io.EOF, told),
		also: stillWrites,
	},
	{
		name:   "the listener's backlog is full",
		setup:  func(s *scene) { s.server.Sysctl("net/core/somaxconn", "1") },
		breaks: (*scene).crowd,
		mends:  func(s *scene) { s.disperse() }, mended: "it accepts again",
		idle: livesOn(nil, probed),
		busy: livesOn(nil, unacknowledged),
		dial: errTimeout,
	},
	{
		name:  "the name's host vanishes, and the name moves",
		hosts: 3, setup: (*scene).named,
		breaks: func(s *scene) { s.client.BlackHole(testnet.Left, s.hosts[0]) },
		mends:  func(s *scene) { s.names.set(netip.MustParseAddr(s.hosts[2].Addr(testnet.Left))) }, mended: "name changed",
		idle: silentIdle, busy: silentBusy, dial: errTimeout,
	},
}
