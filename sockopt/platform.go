package sockopt

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"example.com/hale/internal/tcpretries"
)

// Platform is an operating system to plan for: a GOOS of Go and the version
// of its kernel. Only Linux, Windows, Solaris, DragonFly and FreeBSD are planned
// for by version. The zero version stands for the newest.
type Platform struct {
	// GOOS is spelt as in [runtime.GOOS]. On one that this package does not
	// know every option is unsupported, which is no error.
	GOOS string

	// Major, Minor and Build are 10, 0 and 17763 for Windows Server 2019, and
	// 11, 4 and 0 for Solaris 11.4.
	Major, Minor, Build uint32

	// Retries2 is Linux' net.ipv4.tcp_retries2: after how many unanswered
	// retransmissions or window probes the kernel gives a connection up. Zero
	// stands for the kernel's default, 15; it means nothing elsewhere.
	Retries2 uint8
}

// Current returns the platform that the program runs on. The version is
// asked for once, and zero where the system does not tell. Retries2 is read
// at each call, since it belongs to the network namespace, which need not be
// the same for all threads; it is zero where it cannot be read.
func Current() Platform {
	p := current()
	p.Retries2 = tcpretries.Setting()
	return p
}

var current = sync.OnceValue(func() Platform {
	v := osVersion()
	return Platform{GOOS: runtime.GOOS, Major: v[0], Minor: v[1], Build: v[2]}
})

// String returns the name and, unless it is zero, the version.
func (p Platform) String() string {
	if p.version() == (version{}) {
		return p.GOOS
	}
	return fmt.Sprintf("%s %d.%d.%d", p.GOOS, p.Major, p.Minor, p.Build)
}

// retries2 is Retries2 with its default.
func (p Platform) retries2() int { return int(cmp.Or(p.Retries2, tcpretries.Default)) }

func (p Platform) version() version { return version{p.Major, p.Minor, p.Build} }

// kin names the system whose options a GOOS shares.
var kin = map[string]string{"android": "linux", "ios": "darwin"}

// system returns the table of options for p: of those for its GOOS, which
// are listed newest first, the first that is not newer than p.
func (p Platform) system() *system {
	goos := p.GOOS
	if k, ok := kin[goos]; ok {
		goos = k
	}
	for i := range systems {
		if s := &systems[i]; s.goos == goos && s.reaches(p.version()) {
			return s
		}
	}
	return &noSystem
}

// version is major, minor and build.
type version [3]uint32

func (s *system) reaches(v version) bool {
	return v == version{} || slices.Compare(v[:], s.from[:]) >= 0
}

// parseVersion reads up to three numbers separated by dots from the start of
// s, and ignores what follows, as in "6.18.44-generic".
func parseVersion(s string) (v version) {
	for i, part := range strings.SplitN(s, ".", len(v)+1) {
		if i == len(v) {
			break
		}
		n, rest := leadingNumber(part)
		v[i] = n
		if rest != "" || part == "" {
			break
		}
	}
	return v
}

func leadingNumber(s string) (n uint32, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	_, err := fmt.Sscanf(s[:len(s)-len(rest)], "%d", &n)
	if err != nil {
		return 0, s
	}
	return n, rest
}
